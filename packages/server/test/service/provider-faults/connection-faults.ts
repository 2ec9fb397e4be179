/** F29, F30, F31, F48: no connection, no response, or a part of one. */
import { LOST, STILL_RUNNING, type FaultRow } from "./classes.ts";
import { breaksOff, drips, hangs, closes, head, processed, resets } from "./gateway.ts";
import { silentTls, strangeCertificate, untrustedCertificate } from "./tls.ts";

const good = JSON.stringify({ access_token: "at-new", token_type: "Bearer", expires_in: 3600 });
const chunked = (text: string): Buffer =>
  Buffer.concat([
    head(200, { "content-type": "application/json", "transfer-encoding": "chunked" }),
    Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`),
  ]);
/** Returns a response with a Content-Length and a body, or the beginning of one. */
export const counted = (text: string, length = text.length): Buffer =>
  Buffer.concat([
    head(200, { "content-type": "application/json", "content-length": String(length) }),
    Buffer.from(text),
  ]);
const uncounted = (text: string): Buffer =>
  Buffer.concat([head(200, { "content-type": "application/json" }), Buffer.from(text)]);

const lost = { class: "MAYBE", error: "connection_lost" } as const;

export const CONNECTION_FAULTS: readonly FaultRow[] = [
  {
    id: "F29",
    does: "refuses the connection",
    class: "NOT_SENT",
    error: "connect_failed",
    fault: "closed",
    later: null,
  },
  {
    id: "F29",
    does: "has a name that does not resolve",
    class: "NOT_SENT",
    error: "dns_failed",
    fault: { other_origin: () => ({ origin: `https://${"x".repeat(64)}.invalid` }) },
    later: null,
  },
  {
    id: "F29",
    does: "has a certificate of an unknown authority",
    class: "NOT_SENT",
    error: "tls_failed",
    fault: { other_origin: untrustedCertificate },
    later: null,
  },
  {
    id: "F29",
    does: "has a certificate for another name",
    class: "NOT_SENT",
    error: "tls_failed",
    fault: { other_origin: strangeCertificate },
    later: null,
  },
  {
    id: "F29",
    does: "accepts the connection and never starts TLS",
    class: "NOT_SENT",
    error: "connect_timeout",
    fault: { other_origin: silentTls },
    takes_ms: 10_000,
    later: null,
  },

  {
    id: "F30",
    does: "sends no response, refresh token stays",
    class: "MAYBE",
    error: "timeout",
    fault: { response: hangs },
    takes_ms: 14_000,
  },
  {
    id: "F30",
    does: "sends no response, refresh token has a grace period",
    class: "MAYBE",
    error: "timeout",
    rotation: "grace",
    fault: { response: processed(() => hangs) },
    takes_ms: 14_000,
  },
  {
    id: "F30",
    does: "sends no response, refresh token is single-use",
    class: "MAYBE",
    error: "timeout",
    rotation: "strict",
    fault: { response: hangs },
    takes_ms: 60_000,
    differs: STILL_RUNNING,
  },

  { id: "F31", does: "resets before the headers", ...lost, fault: { response: resets } },
  { id: "F31", does: "closes before the headers", ...lost, fault: { response: closes } },
  {
    id: "F31",
    does: "resets in the middle of a counted body",
    ...lost,
    fault: { response: breaksOff(counted(good.slice(0, 20), good.length), "reset") },
  },
  {
    id: "F31",
    does: "closes in the middle of a counted body",
    ...lost,
    fault: { response: breaksOff(counted(good.slice(0, 20), good.length), "close") },
  },
  {
    id: "F31",
    does: "resets after a whole body without its last chunk",
    ...lost,
    fault: { response: breaksOff(chunked(good), "reset") },
  },
  {
    id: "F31",
    does: "closes after a whole body without its last chunk",
    ...lost,
    fault: { response: breaksOff(chunked(good), "close") },
  },
  {
    id: "F31",
    does: "resets after a whole body of unknown length",
    ...lost,
    fault: { response: breaksOff(uncounted(good), "reset") },
  },
  {
    id: "F31",
    does: "is silent after a whole body of unknown length",
    class: "MAYBE",
    error: "timeout",
    fault: { response: breaksOff(uncounted(good), "silence") },
    takes_ms: 14_000,
  },
  {
    id: "F31",
    does: "processes, then resets: within the grace period",
    ...lost,
    rotation: "grace",
    fault: { response: processed(() => resets) },
  },
  {
    id: "F31",
    does: "processes, then resets: single-use",
    ...lost,
    rotation: "strict",
    fault: { response: processed(() => resets) },
    later: LOST,
  },
  {
    id: "F31",
    does: "processes, then resets in the body: single-use",
    ...lost,
    rotation: "strict",
    fault: { response: processed((body) => breaksOff(counted(body.slice(0, 20), body.length), "reset")) },
    later: LOST,
  },
  {
    id: "F31",
    does: "resets before it processes: single-use",
    ...lost,
    rotation: "strict",
    fault: { response: resets },
  },

  {
    id: "F48",
    does: "a byte a second",
    class: "MAYBE",
    error: "timeout",
    fault: { response: drips },
    takes_ms: 14_000,
  },
  {
    id: "F48",
    does: "a byte a second, single-use",
    class: "MAYBE",
    error: "timeout",
    rotation: "strict",
    fault: { response: drips },
    takes_ms: 60_000,
    differs: STILL_RUNNING,
  },
];

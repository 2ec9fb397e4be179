/**
 * What each fault of stage "before", "shape" and "after" does at the token endpoint. The table of modes says which
 * there are; the types here demand one function for each.
 */
import { gzipSync } from "node:zlib";
import { answer, html, json, redirect, text } from "./answer.ts";
import { refuse, render, type Call } from "./call.ts";
import type { Mode, Modes, NamesOf } from "./modes.ts";
import type { Answer, Issued } from "./types.ts";
import { isRecord, parseJson } from "./values.ts";

export interface FaultContext {
  readonly call: Call;
  readonly mode: Mode;
  /** The code or refresh token of the request. */
  readonly presented: string;
  readonly client_secret: string;
  readonly grant_id: string | null;
}

/** Answers of this host are never a vendor's: whoever comes here followed a redirect with a secret in the body. */
export const REDIRECT_HOST = "redirected.invalid";

const PORTAL = "<!doctype html><title>Sign in to the network</title><p>Please sign in to the network to go on.";
const GATEWAY = "<!doctype html><title>Bad gateway</title><center><h1>The upstream server did not answer</h1></center>";

type Before = (context: FaultContext) => Answer | null | Promise<Answer | null>;

const rateLimited = (call: Call, seconds: number): Answer => {
  const refused = refuse(call, "rate_limited");
  return { ...refused, headers: { ...refused.headers, "retry-after": String(Math.ceil(seconds)) } };
};

const hungUp = (sent: Answer): Answer => ({ ...sent, delivery: "hang_up" });

/** @returns an answer in the vendor's place, or null to let the request through. */
export const BEFORE: Readonly<Record<NamesOf<"before">, Before>> = {
  "500": () => json(500, { error: "server_error", error_description: "Internal error." }),
  "502": () => html(502, GATEWAY),
  "503": () => text(503, "Service unavailable", { "retry-after": "1" }),
  "504": () => html(504, GATEWAY),
  "429": ({ call, mode }) => rateLimited(call, mode.seconds),
  "429-always": ({ call }) => rateLimited(call, 1),
  html: () => html(200, PORTAL),
  "error-200": ({ call }) => render(call, 200, call.vendor.token.errorBody(call.vendor.token.errors.revoked_refresh)),
  revoked: ({ call, grant_id }) => {
    if (grant_id !== null) call.world.state.revoke({ grant_id }, "user");
    return refuse(call, call.event.kind === "refresh" ? "revoked_refresh" : "bad_code");
  },
  "invalid-client": ({ call }) => refuse(call, "bad_secret"),
  "try-later": ({ call }) => refuse(call, "try_later"),
  echo: ({ call, presented, client_secret }) => {
    const description = `Could not handle refresh_token=${presented} client_secret=${client_secret}`;
    const error = call.vendor.token.errorBody({ status: 400, error: "invalid_request", description });
    return json(400, { ...error, error_description: description, request: { presented, client_secret } });
  },
  "redirect-token": ({ call }) => redirect(307, `${call.origin}/${REDIRECT_HOST}${call.incoming.path}`),
  "drop-before": () => hungUp(text(200, "")),
  stall: async ({ call, mode }) => {
    // Waits on although the caller may be gone: the bytes are on the wire, and the vendor will read them.
    await call.world.wait(mode.seconds * 1000, call.world.closing.signal);
    return null;
  },
};

type Shape = (issued: Issued) => Issued;

const SHAPES: Readonly<Record<NamesOf<"shape">, Shape>> = {
  "no-expires-in": (issued) => ({ ...issued, expires_in: undefined }),
  "expires-as-string": (issued) =>
    issued.expires_in === undefined ? issued : { ...issued, expires_in: String(issued.expires_in) },
  "expires-0": (issued) => ({ ...issued, expires_in: 0 }),
  "expires-junk": (issued) => ({ ...issued, expires_in: "1h" }),
};

export function shaped(issued: Issued, modes: Modes): Issued {
  let result = issued;
  for (const { name } of modes.all) {
    if (isKey(SHAPES, name)) result = SHAPES[name](result);
  }
  return result;
}

function withoutAccessToken(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([name]) => name !== "access_token");
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutAccessToken(member)]));
}

function strip(sent: Answer): Answer {
  const body = String(sent.body);
  const value = parseJson(body);
  if (value !== undefined) return { ...sent, body: JSON.stringify(withoutAccessToken(value)) };
  return { ...sent, body: body.replace(/access_token=[^&]*&?/, "") };
}

/** Many small gzip members one after the other: decoders unpack them all (RFC 1952 section 2.2). */
function gzipBomb(): Answer {
  const mebibyte = gzipSync(Buffer.alloc(1024 * 1024, " "), { level: 9 });
  const body = Buffer.concat(Array.from({ length: 200 }, () => mebibyte));
  return answer(200, "application/json", body, { "content-encoding": "gzip" });
}

type After = (context: FaultContext, sent: Answer) => Answer | Promise<Answer>;

export const AFTER: Readonly<Record<NamesOf<"after">, After>> = {
  slow: async ({ call, mode }, sent) => {
    await call.world.wait(mode.seconds * 1000, call.gone);
    return sent;
  },
  "drop-after": (_, sent) => hungUp(sent),
  "drop-mid": (_, sent) => ({ ...sent, delivery: "cut" }),
  drip: (_, sent) => ({ ...sent, delivery: "drip" }),
  empty: () => answer(200, "application/json", ""),
  "bad-json": (_, sent) => ({ ...sent, body: String(sent.body).slice(0, -2) }),
  "no-access-token": (_, sent) => strip(sent),
  huge: (_, sent) => ({ ...sent, delivery: "huge" }),
  "gzip-bomb": () => gzipBomb(),
};

export function isKey<K extends string>(table: Readonly<Record<K, unknown>>, key: string): key is K {
  return Object.hasOwn(table, key);
}

/** Outage answers of a whole host, or null when it is up. */
export function hostOutage(modes: Modes): { readonly name: NamesOf<"host">; readonly answer: Answer } | null {
  if (modes.has("outage")) return { name: "outage", answer: hungUp(text(200, "")) };
  if (modes.has("outage-500")) return { name: "outage-500", answer: text(500, "Internal server error") };
  if (modes.has("outage-503")) return { name: "outage-503", answer: text(503, "Service unavailable") };
  return null;
}

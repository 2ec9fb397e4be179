/**
 * The effect of each fault of stage "before", "shape" and "after" at the token endpoint. The mode
 * table lists the faults. The types here require one function for each.
 */
import { gzipSync } from "node:zlib";
import { reply, html, json, redirect, text } from "../reply.ts";
import { refuse, render, type Call } from "../call.ts";
import type { Mode, Modes, NamesOf } from "../modes.ts";
import type { Issued, Reply } from "../types.ts";
import { isRecord, parseJson } from "../values.ts";

export interface FaultContext {
  readonly call: Call;
  readonly mode: Mode;
  /** The code or refresh token in the request. */
  readonly presented: string;
  readonly client_secret: string;
  readonly grant_id: string | null;
}

/** No vendor owns this host. A request to it followed a redirect with a secret in its body. */
export const REDIRECT_HOST = "redirected.invalid";

const PORTAL = "<!doctype html><title>Sign in to the network</title><p>Please sign in to the network to go on.";
const GATEWAY =
  "<!doctype html><title>Bad gateway</title><center><h1>The upstream server did not respond</h1></center>";

type Before = (context: FaultContext) => Reply | null | Promise<Reply | null>;

const rateLimited = (call: Call, seconds: number): Reply => {
  const refused = refuse(call, "rate_limited");
  return { ...refused, headers: { ...refused.headers, "retry-after": String(Math.ceil(seconds)) } };
};

const hungUp = (sent: Reply): Reply => ({ ...sent, delivery: "hang_up" });

/** Each returns a reply in the vendor's place, or null to let the request through. */
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
    // Keeps waiting after the caller hung up: the request was sent, and a real vendor would still
    // process it.
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

function strip(sent: Reply): Reply {
  const body = String(sent.body);
  const value = parseJson(body);
  if (value !== undefined) return { ...sent, body: JSON.stringify(withoutAccessToken(value)) };
  return { ...sent, body: body.replace(/access_token=[^&]*&?/, "") };
}

/** Joins many small gzip members. Decoders unpack all of them (RFC 1952 section 2.2). */
function gzipBomb(): Reply {
  const mebibyte = gzipSync(Buffer.alloc(1024 * 1024, " "), { level: 9 });
  const body = Buffer.concat(Array.from({ length: 200 }, () => mebibyte));
  return reply(200, "application/json", body, { "content-encoding": "gzip" });
}

type After = (context: FaultContext, sent: Reply) => Reply | Promise<Reply>;

export const AFTER: Readonly<Record<NamesOf<"after">, After>> = {
  slow: async ({ call, mode }, sent) => {
    await call.world.wait(mode.seconds * 1000, call.disconnected);
    return sent;
  },
  "drop-after": (_, sent) => hungUp(sent),
  "drop-mid": (_, sent) => ({ ...sent, delivery: "cut" }),
  drip: (_, sent) => ({ ...sent, delivery: "drip" }),
  empty: () => reply(200, "application/json", ""),
  "bad-json": (_, sent) => ({ ...sent, body: String(sent.body).slice(0, -2) }),
  "no-access-token": (_, sent) => strip(sent),
  huge: (_, sent) => ({ ...sent, delivery: "huge" }),
  "gzip-bomb": () => gzipBomb(),
};

export function isKey<K extends string>(table: Readonly<Record<K, unknown>>, key: string): key is K {
  return Object.hasOwn(table, key);
}

/** Returns the outage reply for a whole host, or null when the host is up. */
export function hostOutage(modes: Modes): { readonly name: NamesOf<"host">; readonly reply: Reply } | null {
  if (modes.has("outage")) return { name: "outage", reply: hungUp(text(200, "")) };
  if (modes.has("outage-500")) return { name: "outage-500", reply: text(500, "Internal server error") };
  if (modes.has("outage-503")) return { name: "outage-503", reply: text(503, "Service unavailable") };
  return null;
}

/** Builds replies. Owns content types and the headers that every reply carries. Knows no vendor. */
import type { Json, JsonObject, Reply } from "./types.ts";

const NO_STORE = { "cache-control": "no-store", pragma: "no-cache" };

/**
 * No form-action: it would also cover the redirect after the form and block the way back to the
 * application.
 */
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";

export const isReply = (value: object): value is Reply => "delivery" in value;

type Headers = Readonly<Record<string, string>>;

export function reply(status: number, type: string, body: string | Uint8Array, headers: Headers = {}): Reply {
  return { status, headers: { ...NO_STORE, "content-type": type, ...headers }, body, delivery: "plain" };
}

export function json(status: number, body: Json, headers: Headers = {}): Reply {
  return reply(status, "application/json; charset=utf-8", JSON.stringify(body), headers);
}

export function text(status: number, body: string, headers: Headers = {}): Reply {
  return reply(status, "text/plain; charset=utf-8", body, headers);
}

export function html(status: number, body: string): Reply {
  return reply(status, "text/html; charset=utf-8", body, {
    "content-security-policy": PAGE_POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  });
}

export function form(status: number, body: JsonObject): Reply {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      fields.set(name, String(value));
    }
  }
  return reply(status, "application/x-www-form-urlencoded; charset=utf-8", fields.toString());
}

export function redirect(status: 302 | 303 | 307, location: string): Reply {
  return reply(status, "text/plain; charset=utf-8", "", { location, "referrer-policy": "no-referrer" });
}

export function empty(status: 200 | 202 | 204 | 401 | 403, headers: Headers = {}): Reply {
  return { status, headers: { ...NO_STORE, ...headers }, body: "", delivery: "plain" };
}

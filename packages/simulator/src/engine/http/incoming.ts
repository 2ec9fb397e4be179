/**
 * Reads one request off the socket into `Incoming`. Owns the body limit. Never throws on client
 * input.
 */
import type { IncomingMessage } from "node:http";
import type { Incoming } from "../types.ts";
import { isObject, parseJson } from "../values.ts";

const FORM = "application/x-www-form-urlencoded";
/** Token requests are forms, and none has more than a few KB. */
const FORM_MAX_BYTES = 1024 * 1024;
/** The largest upload that functions are expected to try. */
const BODY_MAX_BYTES = 10 * 1024 * 1024;

async function readBody(request: IncomingMessage, most: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > most) return null;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

type Body = Pick<Incoming, "body_type" | "fields" | "lists" | "json">;

function parseForm(body: string): Body {
  const form = new URLSearchParams(body);
  const lists = new Map([...new Set(form.keys())].map((name) => [name, form.getAll(name)]));
  return { body_type: "form", fields: new Map(form), lists, json: {} };
}

function parseBody(media_type: string, body: string): Body {
  const nothing = { fields: new Map<string, string>(), lists: new Map<string, string[]>(), json: {} };
  if (body === "") return { body_type: "none", ...nothing };
  if (media_type === FORM) return parseForm(body);
  if (media_type !== "application/json") return { body_type: "other", ...nothing };
  const value = parseJson(body);
  if (value === null) return { body_type: "null", ...nothing };
  if (!isObject(value)) return { body_type: "other", ...nothing };
  const fields = new Map<string, string>();
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "string" || typeof member === "number" || typeof member === "boolean") {
      fields.set(name, String(member));
    }
  }
  return { body_type: "json", ...nothing, fields, json: value };
}

/** Returns null when the body is larger than 1 MiB for a form, and 10 MiB for anything else. */
export async function readIncoming(request: IncomingMessage): Promise<Incoming | null> {
  const media_type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const raw = await readBody(request, media_type === FORM ? FORM_MAX_BYTES : BODY_MAX_BYTES);
  if (raw === null) return null;
  const url = URL.parse(request.url ?? "/", "http://simulator") ?? new URL("http://simulator/");
  const [, host = "", ...rest] = url.pathname.split("/");
  return {
    method: request.method ?? "GET",
    host: host.toLowerCase(),
    path: `/${rest.join("/")}`,
    query: url.searchParams,
    headers: request.headers,
    raw,
    ...parseBody(media_type, raw.toString("utf8")),
  };
}

/** Returns the token of `Authorization: Bearer <token>` (RFC 6750 section 2.1), or null. */
export function bearer(incoming: Incoming): string | null {
  return /^bearer +(\S+)$/i.exec(incoming.headers.authorization ?? "")?.[1] ?? null;
}

/** Returns the two halves of HTTP Basic as sent, not yet form-decoded, or null. */
export function basic(incoming: Incoming): { readonly id: string; readonly secret: string } | null {
  const encoded = /^basic +([A-Za-z0-9+/=]+)$/i.exec(incoming.headers.authorization ?? "")?.[1];
  if (encoded === undefined) return null;
  const pair = Buffer.from(encoded, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon < 0 ? null : { id: pair.slice(0, colon), secret: pair.slice(colon + 1) };
}

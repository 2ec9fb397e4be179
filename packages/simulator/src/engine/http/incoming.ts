/**
 * Reads one request off the socket into `Incoming`. Owns the body limit. Never throws on client
 * input.
 */
import type { IncomingMessage } from "node:http";
import type { Incoming } from "../types.ts";
import { isRecord, parseJson } from "../values.ts";

const BODY_MAX_BYTES = 1024 * 1024;

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > BODY_MAX_BYTES) return null;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
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
  if (media_type === "application/x-www-form-urlencoded") return parseForm(body);
  if (media_type !== "application/json") return { body_type: "other", ...nothing };
  const value = parseJson(body);
  if (value === null) return { body_type: "null", ...nothing };
  if (!isRecord(value)) return { body_type: "other", ...nothing };
  const fields = new Map<string, string>();
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "string" || typeof member === "number" || typeof member === "boolean") {
      fields.set(name, String(member));
    }
  }
  return { body_type: "json", ...nothing, fields, json: value };
}

/** Returns null when the body is larger than 1 MiB. */
export async function readIncoming(request: IncomingMessage): Promise<Incoming | null> {
  const body = await readBody(request);
  if (body === null) return null;
  const url = URL.parse(request.url ?? "/", "http://simulator") ?? new URL("http://simulator/");
  const [, host = "", ...rest] = url.pathname.split("/");
  const media_type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return {
    method: request.method ?? "GET",
    host: host.toLowerCase(),
    path: `/${rest.join("/")}`,
    query: url.searchParams,
    headers: request.headers,
    ...parseBody(media_type, body),
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

/** Pure helpers: hashes, random names, guards, accounts. No state, no clock. */
import { createHash, randomBytes } from "node:crypto";
import type { Account, Json, JsonObject } from "./types.ts";

export const sha256 = (value: string | Uint8Array): string => createHash("sha256").update(value).digest("hex");

export const randomId = (bytes: number): string => randomBytes(bytes).toString("base64url");

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Returns random letters and digits. Several vendors use nothing else in their tokens. */
export function randomLetters(length: number): string {
  return Array.from(randomBytes(length), (byte) => LETTERS.charAt(byte % LETTERS.length)).join("");
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const isObject = (value: Json | undefined): value is JsonObject => isRecord(value);

/** Deeper JSON would exhaust the stack of everything that walks through it. */
const DEPTH_MAX = 64;

function isJson(value: unknown, depth: number): value is Json {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((member: unknown) => isJson(member, depth - 1));
}

/** Returns the parsed value, or undefined when `body` is not JSON or is nested too deeply. */
export function parseJson(body: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isJson(value, DEPTH_MAX) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const DEFAULT_ORG = "acme";

/**
 * Parses `ada`, `ada@globex` (a user of another team or workspace) or `ada@example.com`. The same
 * text always names the same account with the same ids, so tests can distinguish two connections of
 * one user from two users. Returns null when the text is not an account.
 */
export function parseAccount(input: string): Account | null {
  const match = /^([a-z0-9][a-z0-9._-]{0,63})(?:@([a-z0-9][a-z0-9.-]{0,63}))?$/.exec(input.trim().toLowerCase());
  const name = match?.[1];
  if (name === undefined) return null;
  const org = match?.[2] ?? DEFAULT_ORG;
  if (org === DEFAULT_ORG || org === "example.com") {
    return { name, org: DEFAULT_ORG, email: `${name}@example.com` };
  }
  return { name, org, email: `${name}@${org.replaceAll(".", "-")}.example` };
}

export interface Person {
  readonly first: string;
  readonly last: string;
  readonly full: string;
  readonly email: string;
}

const capitalize = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

/** Returns full names for an account that has only one name. */
export function person({ name, email }: Account): Person {
  const [first, last] = [capitalize(name), "Example"];
  return { first, last, full: `${first} ${last}`, email };
}

/** Returns the organization's display name. */
export const orgName = ({ org }: Account): string => capitalize(org);

/** Returns a stable upper-case id, e.g. `stableId("slack user", "ada", 8)`. */
export function stableId(space: string, value: string, length: number): string {
  const digits = BigInt(`0x${sha256(`${space}\n${value}`)}`).toString(36);
  return digits.toUpperCase().padStart(length, "0").slice(0, length);
}

export function stableNumber(space: string, value: string): number {
  return Number.parseInt(sha256(`${space}\n${value}`).slice(0, 8), 16);
}

/** Returns a stable id in the form of a version 4 UUID. */
export function stableUuid(space: string, value: string): string {
  const hex = sha256(`${space}\n${value}`);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A map that evicts its oldest entry beyond `limit`, so a long run cannot fill the memory. */
export class BoundedMap<V> extends Map<string, V> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  override set(key: string, value: V): this {
    super.set(key, value);
    if (this.size > this.#limit) {
      const oldest = this.keys().next();
      if (oldest.done !== true) this.delete(oldest.value);
    }
    return this;
  }
}

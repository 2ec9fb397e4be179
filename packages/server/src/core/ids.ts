/**
 * Ids and opaque credentials.
 *
 * An id is `<prefix>_<20 lowercase letters and digits>` (103 random bits). A credential is
 * `<prefix>_<id>_<secret>_<crc>`. The id finds the row. The SHA-256 of the secret (256 random bits,
 * base64url) is compared in constant time. The CRC-32 detects a typo without a database query.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { Secret } from "./secret.ts";
import type { AppId, ConnectionId, FlowId, OAuthClientId, UserId, WorkspaceId } from "./types.ts";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH = 20;

/** Shape of an id in a request. Checked before any lookup. */
export const ID_PATTERN = /^[a-z0-9_-]{1,64}$/;

function randomId(): string {
  let text = "";
  while (text.length < ID_LENGTH) {
    for (const byte of randomBytes(ID_LENGTH)) {
      // 252 is the largest multiple of 36 in a byte. Using the rest would favor the first
      // characters.
      if (byte < 252 && text.length < ID_LENGTH) text += ALPHABET[byte % 36];
    }
  }
  return text;
}

/* oxlint-disable typescript/no-unsafe-type-assertion -- the only place where strings become branded ids. */
export const newWorkspaceId = (): WorkspaceId => `wsp_${randomId()}` as WorkspaceId;
export const newUserId = (): UserId => `usr_${randomId()}` as UserId;
export const newAppId = (): AppId => `app_${randomId()}` as AppId;
export const newConnectionId = (): ConnectionId => `con_${randomId()}` as ConnectionId;
export const newFlowId = (): FlowId => `flw_${randomId()}` as FlowId;
export const newOAuthClientId = (): OAuthClientId => `cli_${randomId()}` as OAuthClientId;
export const newId = (
  prefix:
    | "evt"
    | "req"
    | "ses"
    | "key"
    | "dek"
    | "kek"
    | "node"
    | "inv"
    | "prc"
    | "out"
    | "mem"
    | "acc"
    | "ivt"
    | "fnv"
    | "log"
    | "iss"
    | "aus",
): string => `${prefix}_${randomId()}`;

// Ids from requests. They may not exist, and are only used for lookups.
export const asWorkspaceId = (text: string): WorkspaceId => text as WorkspaceId;
export const asUserId = (text: string): UserId => text as UserId;
export const asAppId = (text: string): AppId => text as AppId;
export const asFlowId = (text: string): FlowId => text as FlowId;
export const asOAuthClientId = (text: string): OAuthClientId => text as OAuthClientId;
/* oxlint-enable typescript/no-unsafe-type-assertion */

/** Returns 256 random bits as base64url, for state, cookies and one-time links. */
export const randomToken = (): string => randomBytes(32).toString("base64url");

export type CredentialPrefix = "hfs" | "b44k";

export interface NewCredential {
  /** Shown once, never stored. */
  readonly credential: Secret;
  readonly id: string;
  /** SHA-256 of the secret part. */
  readonly digest: Buffer;
}

/**
 * Generates a service token (`hfs_`) or an API key (`b44k_`, the only prefix that the public CLI
 * recognizes).
 */
export function newCredential(prefix: CredentialPrefix): NewCredential {
  const id = randomId();
  const secret = randomToken();
  const body = `${prefix}_${id}_${secret}`;
  return { credential: new Secret(`${body}_${checksum(body)}`), id, digest: digestOf(secret) };
}

export interface ParsedCredential {
  readonly prefix: CredentialPrefix;
  readonly id: string;
  readonly digest: Buffer;
}

const CREDENTIAL_PATTERN = /^(hfs|b44k)_([a-z0-9]{20})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})$/;

/** Returns the parts of a credential, or null if the shape or the checksum is wrong. */
export function parseCredential(text: string): ParsedCredential | null {
  const match = CREDENTIAL_PATTERN.exec(text);
  const [, prefix, id, secret, crc] = match ?? [];
  if (id === undefined || secret === undefined || (prefix !== "hfs" && prefix !== "b44k")) return null;
  if (checksum(`${prefix}_${id}_${secret}`) !== crc) return null;
  return { prefix, id, digest: digestOf(secret) };
}

/**
 * Compares two digests in constant time, so that response times reveal nothing about a stored one.
 */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function digestOf(secret: string): Buffer {
  return createHash("sha256").update(secret, "utf8").digest();
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, "0");
}

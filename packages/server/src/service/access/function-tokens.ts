/**
 * Function tokens, with which a running function calls back. Signed with a key derived from the
 * master key, they name app, function and expiry, so checking one needs no query. A token is
 * refused as soon as its invocation ends. Only this process can know that: it started the function,
 * which calls it back.
 *
 * Format: `hff_<base64url of the claims>.<base64url of HMAC-SHA256>`.
 */
import { createHmac } from "node:crypto";
import { asAppId, sameDigest } from "../../core/ids.ts";
import { isJsonObject, type AppId, type Instant } from "../../core/types.ts";
import type { Ground } from "../ground.ts";

export const FUNCTION_TOKEN_PREFIX = "hff_";

interface Claims {
  readonly app_id: string;
  readonly function_name: string;
  readonly invocation_id: string;
  readonly expires_at: Instant;
}

export interface FunctionTokens {
  /** Creates the token of a new invocation. */
  mint(claims: Claims): string;
  /** Invalidates the invocation's token. */
  end(invocation_id: string): void;
  /** Returns the app and function of a live invocation's token, or null. */
  verify(token: string): VerifiedFunction | null;
}

export interface VerifiedFunction extends Pick<Claims, "function_name" | "invocation_id"> {
  readonly app_id: AppId;
}

interface FunctionTokensState extends Pick<Ground, "clock"> {
  readonly key: Buffer;
  /** When each live invocation's token expires. */
  readonly live: Map<string, Instant>;
}

export function createFunctionTokens({ keyring, clock }: Pick<Ground, "keyring" | "clock">): FunctionTokens {
  const state = { clock, key: keyring.deriveKey("function tokens"), live: new Map<string, Instant>() };
  return {
    mint: (claims) => mint(state, claims),
    end: (invocation_id) => void state.live.delete(invocation_id),
    verify: (token) => verify(state, token),
  };
}

function mint(state: FunctionTokensState, claims: Claims): string {
  const text = Buffer.from(JSON.stringify(claims)).toString("base64url");
  state.live.set(claims.invocation_id, claims.expires_at);
  return `${FUNCTION_TOKEN_PREFIX}${text}.${sign(state, text).toString("base64url")}`;
}

function sign({ key }: FunctionTokensState, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function verify(state: FunctionTokensState, token: string): VerifiedFunction | null {
  const [text, signature] = token.slice(FUNCTION_TOKEN_PREFIX.length).split(".");
  if (text === undefined || signature === undefined) return null;
  if (!sameDigest(Buffer.from(signature, "base64url"), sign(state, text))) return null;
  const claims: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  if (!isJsonObject(claims)) return null;
  const { app_id, function_name, invocation_id } = claims;
  if (typeof app_id !== "string" || typeof function_name !== "string" || typeof invocation_id !== "string") return null;
  const expires_at = state.live.get(invocation_id);
  if (expires_at === undefined || expires_at <= state.clock.now()) return null;
  return { app_id: asAppId(app_id), function_name, invocation_id };
}

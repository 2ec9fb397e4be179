/**
 * Function tokens, with which a running function calls back. A token names one invocation that this
 * process started. App, function and the function's process come from the invocation's record here,
 * never from the token. A token works only over the bridge of its own function process, and is
 * refused as soon as its invocation ends.
 *
 * Format: `hff_<invocation id>.<base64url of HMAC-SHA256(key, invocation id)>`. The key is random
 * and lives as long as this process, so no stored secret can forge a token.
 */
import { createHmac, randomBytes } from "node:crypto";
import { asAppId, sameDigest } from "../../core/ids.ts";
import type { AppId, Instant } from "../../core/types.ts";
import type { Ground } from "../ground.ts";

export const FUNCTION_TOKEN_PREFIX = "hff_";

export interface NewFunctionToken {
  readonly app_id: string;
  readonly function_name: string;
  readonly invocation_id: string;
  /** The function process that runs the invocation. */
  readonly process_id: string;
  readonly expires_at: Instant;
}

export interface VerifiedFunction extends Pick<NewFunctionToken, "function_name" | "invocation_id"> {
  readonly app_id: AppId;
}

export interface FunctionTokens {
  /** Creates the token of a new invocation. */
  mint(invocation: NewFunctionToken): string;
  /** Invalidates the invocation's token. */
  end(invocation_id: string): void;
  /**
   * Returns the live invocation of a token, or null. `process_id` is the function process whose
   * bridge the token came over. Null: it came over the public listener, where none is accepted.
   */
  verify(token: string, process_id: string | null): VerifiedFunction | null;
}

interface FunctionTokensState extends Pick<Ground, "clock"> {
  readonly key: Buffer;
  readonly live: Map<string, NewFunctionToken>;
}

export function createFunctionTokens({ clock }: Pick<Ground, "clock">): FunctionTokens {
  const state = { clock, key: randomBytes(32), live: new Map<string, NewFunctionToken>() };
  return {
    mint: (invocation) => mint(state, invocation),
    end: (invocation_id) => void state.live.delete(invocation_id),
    verify: (token, process_id) => verify(state, token, process_id),
  };
}

function mint(state: FunctionTokensState, invocation: NewFunctionToken): string {
  const { invocation_id } = invocation;
  state.live.set(invocation_id, invocation);
  return `${FUNCTION_TOKEN_PREFIX}${invocation_id}.${secretOf(state, invocation_id).toString("base64url")}`;
}

function secretOf({ key }: FunctionTokensState, invocation_id: string): Buffer {
  return createHmac("sha256", key).update(invocation_id).digest();
}

function verify(state: FunctionTokensState, token: string, process_id: string | null): VerifiedFunction | null {
  if (process_id === null) return null;
  const [invocation_id = "", secret = "", ...rest] = token.slice(FUNCTION_TOKEN_PREFIX.length).split(".");
  const invocation = state.live.get(invocation_id);
  if (invocation === undefined || rest.length > 0) return null;
  if (!sameDigest(Buffer.from(secret, "base64url"), secretOf(state, invocation_id))) return null;
  if (invocation.process_id !== process_id || invocation.expires_at <= state.clock.now()) return null;
  return { app_id: asAppId(invocation.app_id), function_name: invocation.function_name, invocation_id };
}

/**
 * Function tokens: what a running function calls back with. Signed with a key derived from the master key, naming app,
 * function and end, so they are checked without the database; and refused as soon as their invocation is over, which this
 * process knows, since it started the function and the function calls this process.
 *
 * Form: `hff_<base64url of the claims>.<base64url of HMAC-SHA256>`.
 */
import { createHmac } from "node:crypto";
import { asAppId, sameDigest } from "../../core/ids.ts";
import { isJsonObject, type AppId, type Instant } from "../../core/types.ts";
import type { Ground } from "../ground.ts";

export interface FunctionTokens {
  mint(claims: { app_id: string; function_name: string; invocation_id: string; expires_at: Instant }): string;
  end(invocation_id: string): void;
  /** The app and function of a live invocation's token, or null. */
  verify(
    token: string,
  ): { readonly app_id: AppId; readonly function_name: string; readonly invocation_id: string } | null;
}

export const FUNCTION_TOKEN_PREFIX = "hff_";

export function createFunctionTokens({ keyring, clock }: Pick<Ground, "keyring" | "clock">): FunctionTokens {
  const key = keyring.deriveKey("function tokens");
  const live = new Map<string, Instant>();
  const sign = (claims: string): Buffer => createHmac("sha256", key).update(claims).digest();

  return {
    mint(claims) {
      const text = Buffer.from(JSON.stringify(claims)).toString("base64url");
      live.set(claims.invocation_id, claims.expires_at);
      return `${FUNCTION_TOKEN_PREFIX}${text}.${sign(text).toString("base64url")}`;
    },
    end: (invocation_id) => void live.delete(invocation_id),
    verify(token) {
      const [text, signature] = token.slice(FUNCTION_TOKEN_PREFIX.length).split(".");
      if (text === undefined || signature === undefined || !sameDigest(Buffer.from(signature, "base64url"), sign(text)))
        return null;
      const claims: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
      if (!isJsonObject(claims)) return null;
      const { app_id, function_name, invocation_id } = claims;
      if (typeof app_id !== "string" || typeof function_name !== "string" || typeof invocation_id !== "string")
        return null;
      const expires_at = live.get(invocation_id);
      if (expires_at === undefined || expires_at <= clock.now()) return null;
      return { app_id: asAppId(app_id), function_name, invocation_id };
    },
  };
}

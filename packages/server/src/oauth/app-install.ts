/**
 * Grants that are installations of an app (Wix's OAuth). Checks the signature that binds an
 * installation to the app's secret. Requests access tokens for it with the client's credentials
 * (RFC 6749 §4.4, plus the installation's id).
 *
 * The id alone proves nothing. It is not a secret, so anyone who learns it could link another
 * user's site to their own app. Only the signature proves that the vendor redirected the user from
 * that site.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { genericTokenEndpointRequest } from "oauth4webapi";
import { Secret } from "../core/secret.ts";
import { isJsonObject, type Instant } from "../core/types.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";
import type { AppInstall } from "../providers/provider.ts";
import type { CallbackGrant } from "./callback.ts";
import type { ClientCredentials } from "./client-auth.ts";
import type { OAuthDeps } from "./deps.ts";
import type { TokenOutcome } from "./outcome.ts";
import { callTokenEndpoint, type TokenCall } from "./token-endpoint.ts";

/**
 * The vendor signs each redirect, and a consent takes at most ten minutes. The rest covers clock
 * skew.
 */
const MAX_AGE_MS = 3_600_000;
const FORM = /^([A-Za-z0-9_-]{43})=?\.([A-Za-z0-9_-]{1,4000})={0,2}$/;

type InstallGrant = Extract<CallbackGrant, { kind: "app_install" }>;

/**
 * Reports whether the installation was signed recently, for this client, with this client's secret.
 */
export function isSignedInstance(grant: InstallGrant, client: ClientCredentials, now: Instant): boolean {
  const [, signature, data] = FORM.exec(grant.signed_instance.expose()) ?? [];
  if (signature === undefined || data === undefined) return false;
  const expected = createHmac("sha256", client.client_secret.expose()).update(data).digest();
  const actual = Buffer.from(signature, "base64url");
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return false;
  const text = decodeUtf8(Buffer.from(data, "base64url"));
  const claims = text === null ? undefined : parseJson(text);
  if (!isJsonObject(claims)) return false;
  const { instanceId, appDefId, signDate } = claims;
  const age_ms = typeof signDate === "string" ? Math.abs(now - Date.parse(signDate)) : 0;
  return (
    instanceId === grant.instance_id &&
    (appDefId === undefined || appDefId === client.client_id) &&
    age_ms <= MAX_AGE_MS
  );
}

/**
 * Requests a new access token for an installation. Returns the installation's id as the refresh
 * token, so that the caller seals and stores it as a refresh token.
 */
export async function requestInstallToken(
  deps: OAuthDeps,
  call: TokenCall,
  flow: AppInstall,
  instance_id: string,
): Promise<TokenOutcome> {
  const outcome = await callTokenEndpoint(deps, call, (server, id, auth, options) =>
    genericTokenEndpointRequest(server, id, auth, "client_credentials", { [flow.instance_name]: instance_id }, options),
  );
  if (outcome.kind !== "ok") return outcome;
  const config = { ...outcome.tokens.config, [flow.instance_name]: instance_id };
  return { kind: "ok", tokens: { ...outcome.tokens, config, refresh_token: new Secret(instance_id) } };
}

/**
 * Tokens that this server issues to a builder, to act as a user of an app. The builder's membership
 * is checked at each use, so such a token never outlives it.
 */
import { asUserId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { plus, type AppId, type UserId } from "../../core/types.ts";
import { roleReaches, type AppRole } from "../../core/roles.ts";
import { existingApp } from "../access/authorization.ts";
import type { Ground } from "../ground.ts";
import { signJwt, verifyJwt } from "./jwt.ts";
import type { Identity } from "./types.ts";

const PURPOSE = "app user tokens";

type OwnTokenDeps = Pick<Ground, "store" | "keyring" | "urls" | "clock" | "limits">;

/** @throws CodedError `not_found` */
export async function issueOwnToken(
  { store, keyring, urls, clock, limits }: OwnTokenDeps,
  app_id: AppId,
  user_id: UserId,
): Promise<Secret> {
  const { id: aud } = await existingApp(store, app_id);
  const now = clock.now();
  const claims = {
    iss: urls.public_url,
    aud,
    sub: user_id,
    iat: Math.floor(now / 1000),
    exp: Math.floor(plus(now, limits.user_token_ttl_ms) / 1000),
  };
  return new Secret(await signJwt(claims, keyring.deriveKey(PURPOSE)));
}

/** A builder as a user of the app. */
export interface BuilderIdentity {
  readonly identity: Identity;
  readonly role: AppRole;
}

/** Returns the builder as a user of the app, or null. */
export async function verifyOwnToken(
  { store, keyring, urls, clock }: OwnTokenDeps,
  app_id: AppId,
  token: string,
): Promise<BuilderIdentity | null> {
  const expected = { issuer: urls.public_url, audiences: [app_id], now: clock.now() };
  // A token signed before the master key was rotated is still valid.
  for (const secret of keyring.deriveKeys(PURPOSE)) {
    const verification = await verifyJwt(token, { ...expected, keys: { kind: "secret", secret } });
    if (verification.kind === "verified") return await memberOf({ store }, app_id, verification.claims["sub"]);
  }
  return null;
}

/** A builder who can edit an app can change its functions, so they are an admin in it, too. */
async function memberOf(
  { store }: Pick<Ground, "store">,
  app_id: AppId,
  sub: unknown,
): Promise<BuilderIdentity | null> {
  const app = await store.getApp(app_id);
  const user = typeof sub === "string" ? await store.getUser(asUserId(sub)) : null;
  const role = app === null || user === null ? null : await store.roleOf(user.id, app.workspace_id);
  if (user === null || role === null) return null;
  const identity = { subject: user.id, email: user.email, full_name: user.name };
  return { identity, role: roleReaches(role, "editor") ? "admin" : "user" };
}

/**
 * App users: the users of an app, as its issuers know them. A user is (app, issuer, subject), never
 * an email address, because two issuers can give the same address to different people. Owns the way
 * from a bearer token to a user, and the role that builders give a user in the app. Must not know
 * what the role permits: the app's functions decide that. No claim of a token grants a role.
 *
 * The server is an issuer itself: it gives a builder a token to act as a user of an app.
 *
 * Errors: CodedError `limit_reached`, `overloaded`, `database_unavailable`. A token that cannot be
 * verified is not an error: there is no user (null). The log has the reason, at level debug.
 */
import { CodedError } from "../../core/errors.ts";
import { asAppId, newId } from "../../core/ids.ts";
import type { AppRole } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import { instant, type AppId, type Instant, type UserId } from "../../core/types.ts";
import type { HttpClient } from "../../net/outbound.ts";
import { putAppUser, requireIssuer, setAppUserRole } from "../../store/queries/app-users.ts";
import { existingApp } from "../access/authorization.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import { createReadCache, type ReadCache } from "../cache/read-cache.ts";
import type { Ground } from "../ground.ts";
import { createIssuerKeys, type IssuerKeys } from "./issuer-keys.ts";
import { createIssuers, HOLDFAST_ISSUER, openIssuers, type Issuers } from "./issuers.ts";
import { identityOf } from "./identity.ts";
import { readUnverified, verifyJwt, type UnverifiedToken, type Verification } from "./jwt.ts";
import { createOpaqueTokens, type OpaqueTokens } from "./opaque.ts";
import { issueOwnToken, verifyOwnToken } from "./own-tokens.ts";
import type { AppUser, Identity, OpenIssuer, StoredUser } from "./types.ts";

export type { AppUser };

/** A user in a list. `role`: null for a builder, whose membership decides. */
export interface ListedUser extends Omit<StoredUser, "role"> {
  readonly role: AppRole | null;
}

export interface UserPage {
  readonly users: readonly ListedUser[];
  /** The cursor of the next page. Null on the last page. */
  readonly next: string | null;
}

export interface AppUsers {
  readonly issuers: Issuers;
  /** Returns the user of the app that the token identifies, or null. */
  verify(app_id: AppId, bearer: string): Promise<AppUser | null>;
  /** Returns the user of the only app that the token is valid for, or null. */
  locate(bearer: string): Promise<AppUser | null>;
  /** Returns a token for a builder to act as a user of the app. */
  issueToken(app_id: AppId, user_id: UserId): Promise<Secret>;
  /**
   * Returns users in the order in which they were first seen.
   *
   * @throws CodedError `not_found`, `invalid_field` for a cursor that is not `next` of a page
   */
  list(app_id: AppId, cursor: string | null): Promise<UserPage>;
  /**
   * Sets the user's role, which the app's functions see from their next call.
   *
   * @throws CodedError `not_found`, `invalid_field` for a builder, whose membership decides
   */
  setRole(app_id: AppId, id: string, role: AppRole): Promise<ListedUser>;
  /** Makes cached issuers and users stale, because another process wrote. */
  markStale(): void;
}

export interface AppUsersDeps extends Pick<
  Ground,
  "store" | "vault" | "keyring" | "urls" | "clock" | "limits" | "log" | "issuer_loopback"
> {
  readonly gate: DatabaseGate;
  /** Reaches global addresses only. */
  readonly issuerHttp: HttpClient;
}

export interface AppUsersState extends AppUsersDeps {
  readonly keys: IssuerKeys;
  readonly opaque: OpaqueTokens;
  readonly issuers: ReadCache<readonly OpenIssuer[]>;
  /** By app, issuer and subject. */
  readonly users: ReadCache<KnownUser>;
}

/** `user`: null if not stored yet. */
interface KnownUser {
  readonly user: StoredUser | null;
}

/** A user as a token names it. */
interface Found {
  readonly issuer_id: string;
  readonly identity: Identity;
  /** A builder's role, from the membership. Null: the stored role counts. */
  readonly role: AppRole | null;
}

/** Apps that `locate` tries. With more apps on one issuer, the caller must name the app. */
const LOCATE_APPS = 10;
/** The server's own credentials. They are never sent to an issuer. */
const OWN_CREDENTIAL = /^(?:hf[a-z]|b44k)_/;

export function createAppUsers(deps: AppUsersDeps): AppUsers {
  const { clock, limits, gate, issuerHttp: httpClient } = deps;
  const cache = { ttl_ms: Number.POSITIVE_INFINITY, limits, clock, gate };
  const state: AppUsersState = {
    ...deps,
    keys: createIssuerKeys({ ...deps, httpClient }),
    opaque: createOpaqueTokens({ ...deps, httpClient }),
    issuers: createReadCache({ ...cache, entries: limits.issuer_cache_entries }),
    users: createReadCache({ ...cache, entries: limits.user_cache_entries }),
  };
  return {
    issuers: createIssuers({ ...deps, httpClient, onChange: (app_id) => state.issuers.drop(app_id) }),
    verify: (app_id, bearer) => verify(state, app_id, bearer),
    locate: (bearer) => locate(state, bearer),
    issueToken: (app_id, user_id) => issueOwnToken(deps, app_id, user_id),
    list: (app_id, cursor) => list(state, app_id, cursor),
    setRole: (app_id, id, role) => setRole(state, app_id, id, role),
    markStale: () => [state.issuers, state.users].forEach((cached) => cached.markStale()),
  };
}

async function verify(state: AppUsersState, app_id: AppId, bearer: string): Promise<AppUser | null> {
  const token = read(state, bearer);
  const found = token === null ? null : await findUser(state, app_id, bearer, token);
  return found === null ? null : await storedUser(state, app_id, found);
}

/** Returns the token's claims, or null if no issuer of the app verifies it. */
function read({ limits }: AppUsersState, bearer: string): UnverifiedToken | null {
  if (bearer.length > limits.user_token_bytes || OWN_CREDENTIAL.test(bearer)) return null;
  return readUnverified(bearer);
}

async function findUser(
  state: AppUsersState,
  app_id: AppId,
  bearer: string,
  token: UnverifiedToken,
): Promise<Found | null> {
  if (token.kind === "malformed") return unverified(state, app_id, "malformed");
  if (token.kind === "jwt") {
    const signed = await findSigned(state, app_id, bearer, token);
    // Never send a token of one issuer to another issuer.
    if (signed !== NO_ISSUER) return signed;
  }
  const issuer = (await issuersOf(state, app_id)).find(({ kind }) => kind === "verify");
  if (issuer === undefined) return unverified(state, app_id, "unknown_issuer");
  return foundAt(issuer, await state.opaque.verify(issuer, bearer));
}

/** Logs why a token identifies no user. The caller learns only that there is none. */
function unverified({ log }: AppUsersState, app_id: AppId, reason: "malformed" | "unknown_issuer"): null {
  log.debug("user_token_refused", { app_id, reason });
  return null;
}

type Jwt = Extract<UnverifiedToken, { kind: "jwt" }>;

const NO_ISSUER = Symbol("the app has no issuer that signs such a token");

/** Finds the user of a signed token without sending the token anywhere. */
async function findSigned(
  state: AppUsersState,
  app_id: AppId,
  bearer: string,
  token: Jwt,
): Promise<Found | null | typeof NO_ISSUER> {
  if (token.issuer === state.urls.public_url) {
    const builder = await verifyOwnToken(state, app_id, bearer);
    return builder === null ? null : { issuer_id: HOLDFAST_ISSUER, ...builder };
  }
  const issuers = await issuersOf(state, app_id);
  const issuer = issuers.find((one) => one.kind !== "verify" && one.issuer === token.issuer);
  return issuer === undefined ? NO_ISSUER : foundAt(issuer, await verifySigned(state, issuer, bearer));
}

const foundAt = ({ id: issuer_id }: Pick<OpenIssuer, "id">, identity: Identity | null): Found | null =>
  identity === null ? null : { issuer_id, identity, role: null };

async function issuersOf(state: AppUsersState, app_id: AppId): Promise<readonly OpenIssuer[]> {
  const { issuers } = state;
  const known = issuers.fresh(app_id);
  if (known !== null) return known;
  const epoch = issuers.epoch();
  const { value, is_stale } = await issuers.read(app_id, () => openIssuers(state, app_id));
  if (!is_stale) issuers.put(app_id, value, epoch);
  return value;
}

async function verifySigned(state: AppUsersState, issuer: OpenIssuer, bearer: string): Promise<Identity | null> {
  const { keys, log } = state;
  let verification = await verifyWith(state, issuer, bearer, () => keys.current(issuer));
  if (verification.kind === "refused" && verification.reason === "unknown_key" && issuer.secret === null)
    verification = await verifyWith(state, issuer, bearer, () => keys.newer(issuer));
  if (verification.kind === "verified") return identityOf(verification.claims);
  log.debug("user_token_refused", { app_id: issuer.app_id, issuer_id: issuer.id, reason: verification.reason });
  return null;
}

async function verifyWith(
  { clock }: AppUsersState,
  { issuer, audiences, secret }: OpenIssuer,
  bearer: string,
  publicKeys: () => ReturnType<IssuerKeys["current"]>,
): Promise<Verification> {
  const keys = secret === null ? await publicKeys() : { kind: "secret" as const, secret: Buffer.from(secret.expose()) };
  if (keys === null) return { kind: "refused", reason: "unknown_key" };
  return await verifyJwt(bearer, { keys, issuer, audiences, now: clock.now() });
}

/** Returns the user's row. Stores changes, and from time to time the last-seen time. */
async function storedUser(state: AppUsersState, app_id: AppId, found: Found): Promise<AppUser | null> {
  const { store, users, clock, limits } = state;
  const { issuer_id, identity, role } = found;
  const key = `${app_id} ${issuer_id} ${identity.subject}`;
  const known = await knownUser(state, key, { app_id, issuer_id, subject: identity.subject });
  const is_recent = known !== null && clock.now() < known.last_seen_at + limits.user_seen_interval_ms;
  if (is_recent && known.email === identity.email && known.full_name === identity.full_name)
    return { ...known, role: role ?? known.role };
  const epoch = users.epoch();
  const row = { id: newId("aus"), app_id, issuer_id, ...identity };
  const user = await store
    .transaction(async (tx) => {
      if (issuer_id !== HOLDFAST_ISSUER) await requireIssuer(tx, app_id, issuer_id);
      return await putAppUser(tx, row, limits.users_per_app);
    })
    .catch(nothingIfGone);
  if (user === GONE) return null;
  if (user === null) throw new CodedError("limit_reached", { message: "This app has reached its limit of users." });
  users.put(key, { user }, epoch);
  return { ...user, role: role ?? user.role };
}

/** Returns the user as stored, from memory unless the role can have changed. */
async function knownUser(
  { store, users }: AppUsersState,
  key: string,
  named: Pick<StoredUser, "app_id" | "issuer_id" | "subject">,
): Promise<StoredUser | null> {
  const known = users.fresh(key);
  if (known !== null) return known.user;
  const epoch = users.epoch();
  const { value, is_stale } = await users.read(key, async () => ({ user: await store.findAppUser(named) }));
  if (!is_stale) users.put(key, value, epoch);
  return value.user;
}

const GONE = Symbol("the app or the issuer was deleted");

/** The app or issuer was deleted while its token was verified. */
function nothingIfGone(error: unknown): typeof GONE {
  if (error instanceof CodedError && error.code === "not_found") return GONE;
  throw error;
}

/** Calls no verify URL: any app can set one, and would receive the tokens of other apps' users. */
async function locate(state: AppUsersState, bearer: string): Promise<AppUser | null> {
  const token = read(state, bearer);
  if (token?.kind !== "jwt") return null;
  const app_ids = await candidates(state, token);
  const found = await Promise.all(
    app_ids.map(async (app_id) => {
      const user = await findSigned(state, app_id, bearer, token);
      return user === null || user === NO_ISSUER ? [] : [{ app_id, user }];
    }),
  );
  const [only, ...others] = found.flat();
  return only === undefined || others.length > 0 ? null : await storedUser(state, only.app_id, only.user);
}

/** Returns the apps that the token could be for. The server's own tokens name theirs. */
async function candidates({ store, urls }: AppUsersState, { issuer, audiences }: Jwt): Promise<readonly AppId[]> {
  if (issuer === urls.public_url) return audiences.slice(0, 1).map((audience) => asAppId(audience));
  const app_ids = await store.appsOfIssuer(issuer, LOCATE_APPS + 1);
  return app_ids.length > LOCATE_APPS ? [] : app_ids;
}

async function list({ store, limits }: AppUsersState, app_id: AppId, cursor: string | null): Promise<UserPage> {
  await existingApp(store, app_id);
  const count = limits.users_page;
  const users = await store.listAppUsers(app_id, cursor === null ? null : parseCursor(cursor), count);
  const last = users.at(-1);
  return {
    users: users.map(listed),
    next: last === undefined || users.length < count ? null : `${last.created_at}.${last.id}`,
  };
}

async function setRole({ store, users }: AppUsersState, app_id: AppId, id: string, role: AppRole): Promise<ListedUser> {
  await existingApp(store, app_id);
  const changed = await store.transaction(async (tx) => {
    const user = await setAppUserRole(tx, app_id, id, role);
    if (user === null)
      throw new CodedError("not_found", {
        message: "The app has no user with this id. holdfast users list shows all.",
      });
    if (user.issuer_id !== HOLDFAST_ISSUER) return user;
    const message = "must name a user of an issuer, not a builder. A builder's role in the workspace decides";
    throw new CodedError("invalid_field", { errors: [{ name: "user", message }] });
  });
  users.clear();
  return changed;
}

const listed = (user: StoredUser): ListedUser => (user.issuer_id === HOLDFAST_ISSUER ? { ...user, role: null } : user);

const CURSOR = /^(\d{1,15})\.(aus_[a-z0-9]{20})$/;

function parseCursor(text: string): { readonly created_at: Instant; readonly id: string } {
  const [, created_at, id] = CURSOR.exec(text) ?? [];
  if (created_at !== undefined && id !== undefined) return { created_at: instant(Number(created_at)), id };
  throw new CodedError("invalid_field", { errors: [{ name: "cursor", message: "next of the previous page" }] });
}

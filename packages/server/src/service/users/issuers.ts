/**
 * The issuers of an app, and how their tokens are verified: by public keys or by a shared secret,
 * never both. The secret is sealed with the app's data key and never returned.
 */
import { CodedError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId } from "../../core/types.ts";
import { refusalOf } from "../../net/url-rules.ts";
import type { IssuerKind } from "../../store/app-user-tables.ts";
import { listIssuers as listRows, putIssuer as putRow } from "../../store/queries/app-users.ts";
import type { AppIssuerRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import { existingApp } from "../access/authorization.ts";
import type { Ground } from "../ground.ts";
import { tryIssuer } from "./issuer-check.ts";
import type { IssuerDeps, OpenIssuer } from "./types.ts";

export interface NewIssuer {
  readonly issuer: string;
  readonly kind: IssuerKind;
  /** Of the key set (`jwks`) or of verification (`verify`). */
  readonly url: string | null;
  readonly audiences: readonly string[];
  /** For `secret` only. */
  readonly secret: Secret | null;
}

export interface PutOptions {
  readonly skip_check?: boolean;
}

export type IssuerSummary = Omit<AppIssuerRow, "sealed_secret" | "app_id">;

export interface Issuers {
  /**
   * Adds an issuer, or replaces the one with the same name, which keeps its users. Tries it first,
   * unless `skip_check`.
   *
   * @throws CodedError `invalid_field`, `issuer_unusable`, `limit_reached`, `not_found`
   */
  put(app_id: AppId, issuer: NewIssuer, options?: PutOptions): Promise<IssuerSummary>;
  list(app_id: AppId): Promise<readonly IssuerSummary[]>;
  /** Removes an issuer and its users. @throws CodedError `not_found` */
  remove(app_id: AppId, id: string): Promise<void>;
}

/** Names the server's own tokens. No app can have an issuer with this id. */
export const HOLDFAST_ISSUER = "holdfast";

const ISSUER = /^[\x21-\x7e]{1,512}$/;
const AUDIENCE = /^[\x21-\x7e]{1,512}$/;
const AUDIENCES = 10;
const URL_LENGTH = 2_048;
/** RFC 7518 §3.2: a key at least as long as the hash. */
const SECRET_BYTES = { least: 32, most: 4_096 };

export type IssuersDeps = IssuerDeps &
  Pick<Ground, "store" | "vault" | "urls" | "issuer_loopback"> & {
    /** Drops the app's issuers from memory. */
    readonly onChange: (app_id: AppId) => void;
  };

export function createIssuers(deps: IssuersDeps): Issuers {
  return {
    put: (app_id, issuer, options = {}) => putIssuer(deps, app_id, issuer, options),
    list: (app_id) => listIssuers(deps, app_id),
    remove: (app_id, id) => removeIssuer(deps, app_id, id),
  };
}

async function putIssuer(
  deps: IssuersDeps,
  app_id: AppId,
  issuer: NewIssuer,
  { skip_check = false }: PutOptions,
): Promise<IssuerSummary> {
  const { store, vault, limits, onChange } = deps;
  await existingApp(store, app_id);
  check(deps, issuer);
  refuseSecondVerifier(await store.listIssuers(app_id), issuer);
  if (!skip_check) await tryIssuer(deps, issuer);
  const { secret, ...settings } = issuer;
  const sealed_secret = secret === null ? null : await vault.seal(secretContext(app_id, issuer.issuer), secret);
  const row = { id: newId("iss"), app_id, ...settings, sealed_secret };
  const stored = await store.transaction(async (tx) => {
    // Again, because another one can have been stored while this one was tried.
    refuseSecondVerifier(await listRows(tx, app_id), issuer);
    return await putRow(tx, row, limits.issuers_per_app);
  });
  onChange(app_id);
  if (stored !== null) return summaryOf(stored);
  const message = `An app can have ${limits.issuers_per_app} issuers. Remove one first.`;
  throw new CodedError("limit_reached", { message });
}

function check(deps: IssuersDeps, { issuer, kind, url, audiences, secret }: NewIssuer): void {
  requireField(ISSUER.test(issuer), "issuer", "1 to 512 visible ASCII characters");
  const is_own = issuer.replace(/\/$/, "") === deps.urls.public_url;
  requireField(!is_own, "issuer", "another one than this server, which is an issuer of every app");
  if (kind === "oidc") checkUrl(deps, "issuer", issuer);
  const has_url = kind === "jwks" || kind === "verify";
  if (has_url) checkUrl(deps, "url", url ?? "");
  else requireField(url === null, "url", "left out for this kind of issuer");
  requireField(
    audiences.length <= AUDIENCES && audiences.every((one) => AUDIENCE.test(one)),
    "audiences",
    `up to ${AUDIENCES} values of 1 to 512 visible ASCII characters`,
  );
  const has_audience = audiences.length > 0 || kind === "verify";
  requireField(has_audience, "audiences", "at least one: the aud claim of the tokens that are for this app");
  if (kind !== "secret") return requireField(secret === null, "secret", "left out where keys or a URL verify tokens");
  const size = Buffer.byteLength(secret?.expose() ?? "");
  const is_long_enough = size >= SECRET_BYTES.least && size <= SECRET_BYTES.most;
  requireField(is_long_enough, "secret", `${SECRET_BYTES.least} to ${SECRET_BYTES.most} bytes`);
}

/** Checks a URL that a builder set. Each request checks the addresses of its host name. */
function checkUrl({ issuer_loopback }: IssuersDeps, name: string, url: string): void {
  const refusal = refusalOf({ global_only: true, plain_loopback: issuer_loopback }, url);
  requireField(refusal !== "address_refused", name, "a public address, not one of a private network");
  const is_url = refusal === null && url.length <= URL_LENGTH;
  const { username = "", password = "", hash = "" } = is_url ? new URL(url) : {};
  requireField(
    is_url && username === "" && password === "" && hash === "",
    name,
    "an https URL without a username and fragment",
  );
}

function requireField(is_valid: boolean, name: string, message: string): void {
  if (!is_valid) throw new CodedError("invalid_field", { errors: [{ name, message }] });
}

/** An opaque token does not name its issuer, so an app can have only one verify URL. */
function refuseSecondVerifier(stored: readonly AppIssuerRow[], { issuer, kind }: NewIssuer): void {
  if (kind !== "verify") return;
  const has_other = stored.some((one) => one.issuer !== issuer && one.kind === "verify");
  requireField(!has_other, "kind", "verify for one issuer of an app only");
}

async function listIssuers({ store }: IssuersDeps, app_id: AppId): Promise<readonly IssuerSummary[]> {
  await existingApp(store, app_id);
  return (await store.listIssuers(app_id)).map(summaryOf);
}

async function removeIssuer({ store, onChange }: IssuersDeps, app_id: AppId, id: string): Promise<void> {
  const is_removed = await store.deleteIssuer(app_id, id);
  onChange(app_id);
  if (is_removed) return;
  const message = "The app has no issuer with this id. holdfast users issuers list shows all.";
  throw new CodedError("not_found", { message });
}

function summaryOf({ id, issuer, kind, url, audiences, created_at, updated_at }: AppIssuerRow): IssuerSummary {
  return { id, issuer, kind, url, audiences, created_at, updated_at };
}

/** Returns the issuers of an app with their secrets. @throws CodedError `credential_unreadable` */
export async function openIssuers(
  { store, vault }: Pick<Ground, "store" | "vault">,
  app_id: AppId,
): Promise<readonly OpenIssuer[]> {
  return await Promise.all(
    (await store.listIssuers(app_id)).map(async ({ sealed_secret, ...issuer }) => ({
      ...issuer,
      secret:
        sealed_secret === null
          ? null
          : await vault.open(secretContext(app_id, issuer.issuer), sealedFromStorage(sealed_secret)),
    })),
  );
}

const secretContext = (app_id: AppId, issuer: string): SealContext => ({
  table: "app_issuers",
  column: "secret",
  scope: app_id,
  row_id: issuer,
  generation: 0,
});

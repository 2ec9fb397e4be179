/** Apps and the credentials that belong to them: service tokens for backends, API keys for people and their programs. */
import type { Limits } from "../config.ts";
import { ApiError } from "../core/errors.ts";
import { newAppId, newCredential, newWorkspaceId } from "../core/ids.ts";
import type { Secret } from "../core/secret.ts";
import type { AppId, Instant, WorkspaceId } from "../core/types.ts";
import { deleteApp } from "../store/queries/apps.ts";
import { enqueue } from "../store/queries/outbox.ts";
import type { Store } from "../store/store.ts";
import type { AppsTable, ServiceTokensTable } from "../store/tables.ts";
import type { Vault } from "../vault/seal.ts";
import type { Revocations } from "./revocation.ts";
import type { TokenCache } from "./token-cache.ts";

const NAME_LENGTH = 100;
/** Bidirectional controls, zero-width characters, other controls: they make one name look like another. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

export interface CreatedApp {
  readonly app_id: AppId;
  readonly service_token: Secret;
  readonly api_key: Secret;
}

export interface ServiceTokenSummary {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly last_used_at: number | null;
}

export interface Apps {
  workspace(): Promise<WorkspaceId>;
  /** With a first service token and an API key, each shown this once. */
  create(name: string): Promise<CreatedApp>;
  list(): Promise<readonly AppsTable[]>;
  get(app_id: AppId): Promise<AppsTable>;
  /** The app, its connections and its data key. Tokens are revoked at the providers afterwards. */
  remove(app_id: AppId): Promise<void>;
  createToken(
    app_id: AppId,
    name: string,
    expires_at: Instant | null,
  ): Promise<{ readonly id: string; readonly service_token: Secret }>;
  listTokens(app_id: AppId): Promise<readonly ServiceTokenSummary[]>;
  revokeToken(app_id: AppId, id: string): Promise<void>;
}

export interface AppsDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly revocations: Revocations;
  readonly cache: TokenCache;
  readonly limits: Limits;
  /** Told when credentials may have become invalid. */
  readonly credentialsChanged: () => void;
}

export function createApps({ store, vault, revocations, cache, limits, credentialsChanged }: AppsDeps): Apps {
  const workspace = (): Promise<WorkspaceId> => store.defaultWorkspace(newWorkspaceId());

  async function create(given: string): Promise<CreatedApp> {
    const name = checkName(given);
    const workspace_id = await workspace();
    const app_id = newAppId();
    if (!(await store.createApp({ id: app_id, workspace_id, name }))) {
      throw new ApiError("already_exists", {
        message: `There is an app named "${name}" already. Choose another name.`,
      });
    }
    const { service_token } = await createToken(app_id, "first", null);
    const key = newCredential("b44k");
    await store.createApiKey({
      id: key.id,
      workspace_id,
      name: `made with ${name}`.slice(0, NAME_LENGTH),
      digest: key.digest,
    });
    return { app_id, service_token, api_key: key.credential };
  }

  async function get(app_id: AppId): Promise<AppsTable> {
    const app = await store.getApp(app_id);
    if (app === null)
      throw new ApiError("not_found", { message: "There is no such app. holdfast apps list shows all." });
    return app;
  }

  async function remove(app_id: AppId): Promise<void> {
    await get(app_id);
    const rows = await store.listConnections(app_id);
    const items = await Promise.all(rows.map((row) => revocations.prepare(row)));
    await store.transaction(function* (tx) {
      for (const item of items) if (item !== null) yield* enqueue(tx, item);
      yield* deleteApp(tx, app_id);
    });
    vault.forget(app_id);
    for (const row of rows) cache.drop(row);
    credentialsChanged();
  }

  async function createToken(
    app_id: AppId,
    given: string,
    expires_at: Instant | null,
  ): Promise<{ id: string; service_token: Secret }> {
    const name = checkName(given);
    await get(app_id);
    const { credential, id, digest } = newCredential("hfs");
    const created = await store.createServiceToken(
      { app_id, id, name, digest, expires_at },
      limits.live_service_tokens_per_app,
    );
    if (!created) throw new ApiError("too_many_tokens");
    return { id, service_token: credential };
  }

  async function listTokens(app_id: AppId): Promise<readonly ServiceTokenSummary[]> {
    await get(app_id);
    return (await store.listServiceTokens(app_id)).map(summary);
  }

  async function revokeToken(app_id: AppId, id: string): Promise<void> {
    const revoked = await store.revokeServiceToken(app_id, id);
    credentialsChanged();
    if (!revoked)
      throw new ApiError("not_found", {
        message: "The app has no live token of that id. holdfast tokens list shows all.",
      });
  }

  return { workspace, create, list: () => store.listApps(), get, remove, createToken, listTokens, revokeToken };
}

function summary({
  id,
  name,
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
}: ServiceTokensTable): ServiceTokenSummary {
  return { id, name, created_at, expires_at, revoked_at, last_used_at };
}

/** A name that people can tell from another: normalised, trimmed, visible. */
function checkName(given: string): string {
  const name = given.normalize("NFC").trim();
  if (name === "" || Array.from(name).length > NAME_LENGTH || INVISIBLE.test(name)) throw new ApiError("invalid_name");
  return name;
}

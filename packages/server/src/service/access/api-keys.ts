/**
 * API keys, for a builder's programs in one workspace. A key's rights are its scope, capped by its
 * creator's current role (authorization.ts). It is shown once and stored as SHA-256.
 */
import { CodedError } from "../../core/errors.ts";
import { newCredential } from "../../core/ids.ts";
import { checkName } from "../../core/names.ts";
import type { Scope } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { Instant, UserId, WorkspaceId } from "../../core/types.ts";
import type { ApiKeysTable } from "../../store/tables.ts";
import type { Ground } from "../ground.ts";
import type { Credentials } from "./credentials.ts";

export type ApiKeySummary = Omit<ApiKeysTable, "digest" | "workspace_id">;

export interface NewApiKey {
  readonly workspace_id: WorkspaceId;
  /** Null when there is no account yet. The first admin becomes the key's user. */
  readonly user_id: UserId | null;
  readonly name: string;
  readonly scope: Scope;
  readonly expires_at: Instant | null;
}

export interface CreatedApiKey {
  readonly id: string;
  readonly api_key: Secret;
}

export interface ApiKeys {
  /** @throws CodedError `invalid_name`, `limit_reached` */
  create(key: NewApiKey): Promise<CreatedApiKey>;
  list(workspace_id: WorkspaceId): Promise<readonly ApiKeySummary[]>;
  /** @throws CodedError `not_found` */
  revoke(workspace_id: WorkspaceId, id: string): Promise<void>;
}

interface ApiKeysDeps extends Pick<Ground, "store" | "clock" | "limits"> {
  readonly credentials: Pick<Credentials, "clear">;
}

export function createApiKeys(deps: ApiKeysDeps): ApiKeys {
  return {
    create: (key) => create(deps, key),
    list: async (workspace_id) => (await deps.store.listApiKeys(workspace_id)).map(toSummary),
    revoke: (workspace_id, id) => revoke(deps, workspace_id, id),
  };
}

async function create({ store, clock, limits }: ApiKeysDeps, key: NewApiKey): Promise<CreatedApiKey> {
  const name = checkName(key.name);
  const now = clock.now();
  const live = (await store.listApiKeys(key.workspace_id)).filter((row) => isLive(row, now));
  const most = limits.live_api_keys_per_workspace;
  // Two requests at once can both pass. Nothing depends on the exact number.
  if (live.length >= most) {
    const message = `A workspace has at most ${most} live API keys. Revoke one first.`;
    throw new CodedError("limit_reached", { message });
  }
  const { credential, id, digest } = newCredential("b44k");
  await store.createApiKey({ ...key, id, name, digest });
  return { id, api_key: credential };
}

function isLive({ revoked_at, expires_at }: ApiKeysTable, now: Instant): boolean {
  return revoked_at === null && (expires_at === null || expires_at > now);
}

async function revoke({ store, credentials }: ApiKeysDeps, workspace_id: WorkspaceId, id: string): Promise<void> {
  const is_revoked = await store.revokeApiKey(workspace_id, id);
  credentials.clear();
  if (!is_revoked) throw new CodedError("not_found", { message: "The workspace has no live API key with this id." });
}

function toSummary(row: ApiKeysTable): ApiKeySummary {
  const { id, user_id, scope, name, created_at, expires_at, revoked_at, last_used_at } = row;
  return { id, user_id, scope, name, created_at, expires_at, revoked_at, last_used_at };
}

/**
 * API keys: for a builder's programs, in one workspace. What a key may do is the lesser of its scope and of what its maker
 * may at that moment (service/access/authorization.ts). Shown once, stored as SHA-256.
 */
import { ApiError } from "../../core/errors.ts";
import { newCredential } from "../../core/ids.ts";
import type { Scope } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { Instant, UserId, WorkspaceId } from "../../core/types.ts";
import type { ApiKeysTable } from "../../store/tables.ts";
import { checkName } from "../../core/names.ts";
import type { Ground } from "../ground.ts";
import type { Credentials } from "./credentials.ts";

export type ApiKeySummary = Omit<ApiKeysTable, "digest" | "workspace_id">;

export interface NewApiKey {
  readonly workspace_id: WorkspaceId;
  /** Null: nobody has an account yet; the first administrator gets it. */
  readonly user_id: UserId | null;
  readonly name: string;
  readonly scope: Scope;
  readonly expires_at: Instant | null;
}

export interface ApiKeys {
  /** @throws ApiError `invalid_name`, `limit_reached` */
  create(key: NewApiKey): Promise<{ readonly id: string; readonly api_key: Secret }>;
  list(workspace_id: WorkspaceId): Promise<readonly ApiKeySummary[]>;
  /** @throws ApiError `not_found` */
  revoke(workspace_id: WorkspaceId, id: string): Promise<void>;
}

export function createApiKeys({
  store,
  clock,
  limits,
  credentials,
}: Pick<Ground, "store" | "clock" | "limits"> & { readonly credentials: Pick<Credentials, "clear"> }): ApiKeys {
  return {
    async create({ name, ...key }) {
      const { credential, id, digest } = newCredential("b44k");
      const checked = checkName(name);
      const now = clock.now();
      const live = (await store.listApiKeys(key.workspace_id)).filter(
        ({ revoked_at, expires_at }) => revoked_at === null && (expires_at === null || expires_at > now),
      );
      // Nothing rests on the exact number, so two at once may both be let through.
      if (live.length >= limits.live_api_keys_per_workspace)
        throw new ApiError("limit_reached", {
          message: `A workspace has at most ${limits.live_api_keys_per_workspace} live API keys. Revoke one first.`,
        });
      await store.createApiKey({ ...key, id, name: checked, digest });
      return { id, api_key: credential };
    },
    async list(workspace_id) {
      return (await store.listApiKeys(workspace_id)).map(summary);
    },
    async revoke(workspace_id, id) {
      const revoked = await store.revokeApiKey(workspace_id, id);
      credentials.clear();
      if (!revoked) throw new ApiError("not_found", { message: "The workspace has no live API key of that id." });
    },
  };
}

function summary({
  id,
  user_id,
  scope,
  name,
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
}: ApiKeysTable): ApiKeySummary {
  return { id, user_id, scope, name, created_at, expires_at, revoked_at, last_used_at };
}

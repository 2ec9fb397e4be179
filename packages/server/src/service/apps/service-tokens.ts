/** Service tokens of an app's backends. A token is shown once and stored as SHA-256. */
import { CodedError } from "../../core/errors.ts";
import { newCredential } from "../../core/ids.ts";
import { checkName } from "../../core/names.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId, Instant } from "../../core/types.ts";
import type { ServiceTokensTable } from "../../store/tables.ts";
import { existingApp } from "../access/authorization.ts";
import type { AppsDeps } from "./types.ts";

export type ServiceTokenSummary = Omit<ServiceTokensTable, "digest" | "app_id">;

export interface CreatedServiceToken {
  readonly id: string;
  readonly service_token: Secret;
}

/** @throws CodedError `invalid_name`, `not_found`, `too_many_tokens` */
export async function createServiceToken(
  { store, limits }: AppsDeps,
  app_id: AppId,
  typed_name: string,
  expires_at: Instant | null,
): Promise<CreatedServiceToken> {
  const name = checkName(typed_name);
  await existingApp(store, app_id);
  const { credential, id, digest } = newCredential("hfs");
  const token = { app_id, id, name, digest, expires_at };
  if (!(await store.createServiceToken(token, limits.live_service_tokens_per_app)))
    throw new CodedError("too_many_tokens");
  return { id, service_token: credential };
}

export async function listServiceTokens({ store }: AppsDeps, app_id: AppId): Promise<readonly ServiceTokenSummary[]> {
  await existingApp(store, app_id);
  return (await store.listServiceTokens(app_id)).map(toSummary);
}

function toSummary(row: ServiceTokensTable): ServiceTokenSummary {
  const { id, name, created_at, expires_at, revoked_at, last_used_at } = row;
  return { id, name, created_at, expires_at, revoked_at, last_used_at };
}

/** @throws CodedError `not_found` */
export async function revokeServiceToken({ store, credentials }: AppsDeps, app_id: AppId, id: string): Promise<void> {
  const is_revoked = await store.revokeServiceToken(app_id, id);
  credentials.clear();
  if (is_revoked) return;
  const message = "The app has no live token with this id. holdfast tokens list shows all.";
  throw new CodedError("not_found", { message });
}

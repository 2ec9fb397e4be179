/** Sends the revocation of an outbox item, and records its outcome. */
import { backoff_ms } from "../../core/backoff.ts";
import { asOAuthClientId, asWorkspaceId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import {
  isJsonObject,
  plus,
  stringEntries,
  type ConnectionConfig,
  type JsonObject,
  type OAuthClientId,
} from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import type { OutboxRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import type { Audit } from "../audit.ts";
import type { Ground } from "../ground.ts";
import type { OAuthClients, OpenClient } from "./clients.ts";
import { itemContext, reasonAgainst } from "./revocation-item.ts";

/** One day. More attempts are unlikely to succeed, and sealed tokens should not stay for longer. */
const GIVE_UP_AFTER_MS = 86_400_000;

type Outcome = "revoked" | "unsupported" | "kept" | "failed";

export interface RevocationDeps extends Pick<
  Ground,
  "store" | "vault" | "oauth" | "catalog" | "clock" | "limits" | "log" | "random"
> {
  readonly clients: OAuthClients;
  readonly audit: Audit;
}

/** Sends one item. Postpones it if the provider is unreachable, for up to a day. */
export async function revoke(deps: RevocationDeps, item: OutboxRow): Promise<void> {
  const { store, clock, limits, log } = deps;
  const outcome = await attempt(deps, item);
  const is_too_late = clock.now() - item.created_at > GIVE_UP_AFTER_MS;
  if (outcome === "retry" && !is_too_late) {
    const wait_ms = backoff_ms(item.attempts, limits, deps.random());
    await store.postponeOutbox(item.id, item.attempts + 1, plus(clock.now(), wait_ms));
    return;
  }
  // The receipt comes first: a crash between the two repeats it instead of losing it.
  await recordReceipt(deps, item, outcome === "retry" ? "failed" : outcome);
  await store.finishOutbox(item.id);
  log.info("revoked_at_provider", { connection_id: item.connection_id, outcome });
}

async function recordReceipt(
  { audit }: RevocationDeps,
  { app_id, payload }: OutboxRow,
  outcome: Outcome,
): Promise<void> {
  const { integration_type, workspace_id } = payload ?? {};
  audit.record({
    app_id,
    workspace_id: typeof workspace_id === "string" ? asWorkspaceId(workspace_id) : null,
    actor: "server",
    action: `revocation.${outcome}`,
    target: stringOrNull(integration_type),
  });
  await audit.flush();
}

async function attempt(deps: RevocationDeps, item: OutboxRow): Promise<Outcome | "retry"> {
  const { store, catalog } = deps;
  const { payload: details, sealed } = item;
  if (details === null || typeof details["integration_type"] !== "string") return "failed";
  const { outcome, oauth_client_id, account_id } = details;
  if (outcome === "unsupported" || outcome === "kept") return outcome;
  const provider = catalog.get(details["integration_type"]);
  if (provider === null || sealed === null || typeof oauth_client_id !== "string") return "failed";
  const client_id = asOAuthClientId(oauth_client_id);
  // Check again. If the account was connected again since, that grant must not end.
  const owner = { oauth_client_id: client_id, account_id: stringOrNull(account_id) };
  const reason = account_id === undefined ? null : await reasonAgainst(store, provider, owner, null);
  if (reason !== null) return reason;
  const text = await deps.vault.open(itemContext(item.id), sealedFromStorage(sealed)).catch(() => null);
  const tokens: unknown = text === null ? null : JSON.parse(text.expose());
  if (!isJsonObject(tokens)) return "failed";
  return await send(deps, provider, client_id, stringEntries(details["config"]), tokens);
}

async function send(
  { clients, oauth }: RevocationDeps,
  provider: Provider,
  client_id: OAuthClientId,
  config: ConnectionConfig,
  tokens: JsonObject,
): Promise<Outcome | "retry"> {
  const client = (await clients.open(client_id)) ?? includedClient(client_id, tokens);
  if (client === null) return "failed";
  const result = await oauth.revoke({
    provider,
    config,
    client,
    access_token: secretOrNull(tokens["access_token"]),
    refresh_token: secretOrNull(tokens["refresh_token"]),
  });
  if (result.kind !== "failed") return result.kind;
  return result.retry ? "retry" : "failed";
}

/** Returns the client that the item includes, as it was when the tokens ended. */
function includedClient(id: OAuthClientId, { client_id, client_secret }: JsonObject): OpenClient | null {
  if (typeof client_id !== "string" || typeof client_secret !== "string") return null;
  return { id, client_id, client_secret: new Secret(client_secret) };
}

const secretOrNull = (value: unknown): Secret | null => (typeof value === "string" ? new Secret(value) : null);
const stringOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

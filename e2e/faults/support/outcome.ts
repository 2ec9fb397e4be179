/**
 * The outcome for a connection: the stored data, the requests that the provider received, and the
 * events. The provider's ledger decides about tokens, the outbox about events.
 */
import { sha256Hex } from "../../../packages/server/src/core/secret.ts";
import { instant } from "../../../packages/server/src/core/types.ts";
import { sealContext } from "../../../packages/server/src/service/grants/grant.ts";
import { run } from "../../../packages/server/src/store/operation.ts";
import type { ConnectionRow } from "../../../packages/server/src/store/tables.ts";
import { sealedFromStorage } from "../../../packages/server/src/vault/seal.ts";
import type { LedgerRequest } from "@holdfast/simulator";
import { getConnection, type TokenReply } from "../../support/server.ts";
import type { Cluster, Connected, Node } from "./cluster.ts";

export const CLASSES = ["none", "grace", "strict"] as const;
export type Rotation = (typeof CLASSES)[number];

/** A connection under test, with the provider's grant id. */
export interface Subject extends Connected {
  readonly id: ConnectionRow["id"];
  readonly grant_id: string;
  readonly client_id: string;
}

export interface Outcome {
  readonly status: ConnectionRow["status"];
  readonly reason: string | null;
  readonly attempts: number;
  /** Whether a lease or an intent is left behind. */
  readonly is_open: boolean;
  /** The provider's status of the stored refresh token. null if none is stored. */
  readonly refresh_token: string | null;
  /** Refresh requests that reached the provider, and how many of them it processed. */
  readonly requests: number;
  readonly exchanges: number;
  readonly events: readonly string[];
  readonly families_revoked: number;
  readonly revocations: number;
  readonly max_in_flight: number;
}

export async function createSubject(cluster: Cluster, service: string, client_id: string): Promise<Subject> {
  const connected = await cluster.connect(service, client_id);
  const row = await rowOf(cluster, connected);
  const hash = await refreshTokenHash(cluster, row);
  const grant_id = cluster.simulator.ledger().refresh_tokens[hash ?? ""]?.grant_id;
  if (grant_id === undefined) throw new Error(`The provider does not know the refresh token of ${service}.`);
  return { ...connected, id: row.id, grant_id, client_id };
}

async function rowOf({ installation }: Cluster, { app, service }: Connected): Promise<ConnectionRow> {
  const apps = await installation.apps.list();
  const id = apps.find((one) => one.id === app.app_id)?.id;
  const row = id === undefined ? null : await installation.store.findConnection(id, service);
  if (row === null) throw new Error(`${service} is not connected for ${app.app_id}.`);
  return row;
}

async function refreshTokenHash({ installation: { vault } }: Cluster, row: ConnectionRow): Promise<string | null> {
  if (row.sealed_refresh === null) return null;
  return sha256Hex((await vault.open(sealContext(row, "refresh"), sealedFromStorage(row.sealed_refresh))).expose());
}

export async function outcomeOf(cluster: Cluster, { id, app, service, grant_id }: Subject): Promise<Outcome> {
  const { store } = cluster.installation;
  const row = await store.getConnection(id);
  if (row === null) throw new Error(`The connection of ${app.app_id} to ${service} was deleted.`);
  const ledger = cluster.simulator.ledger();
  const hash = await refreshTokenHash(cluster, row);
  const requests = ledger.requests.filter((request) => request.grant_id === grant_id && request.kind === "refresh");
  const outbox = await store.listOutbox(row.app_id, "event");
  const tokens = Object.values(ledger.refresh_tokens).filter((token) => token.grant_id === grant_id);
  return {
    status: row.status,
    reason: row.reason,
    attempts: row.attempt,
    is_open: row.status === "active" && (row.intent_at !== null || row.lease_owner !== null),
    refresh_token: hash === null ? null : (ledger.refresh_tokens[hash]?.status ?? "unknown"),
    requests: requests.length,
    exchanges: requests.filter(({ outcome }) => outcome === "ok").length,
    events: outbox.flatMap(({ payload }) => (typeof payload?.["type"] === "string" ? payload["type"] : [])),
    families_revoked: ledger.families_revoked.filter((family) => family.grant_id === grant_id).length,
    revocations: ledger.requests.filter(({ kind }) => kind === "revoke").length,
    max_in_flight: Math.max(0, ...tokens.map((token) => token.max_in_flight)),
  };
}

export function refreshesOf({ simulator }: Cluster, { grant_id }: Subject): readonly LedgerRequest[] {
  return simulator.ledger().requests.filter((request) => request.kind === "refresh" && request.grant_id === grant_id);
}

/** Returns the number of events that ask the user to reconnect. */
export const reconnectEvents = ({ events }: Outcome): number =>
  events.filter((event) => event === "connection.needs_reconnect").length;

/** Reads a token as an app's backend does. null if the node does not reply. */
export function read(node: Pick<Node, "server_url">, { app, service }: Connected, rejected?: string) {
  return getConnection(node, app, service, rejected).catch((): TokenReply | null => null);
}

/**
 * Expires the stored tokens, because announced lifetimes count as at least a minute. Sweepers do
 * not see it (`refresh_at`), so the node that a test reads from is the one that refreshes. All
 * nodes' caches are notified.
 */
export async function expire({ installation }: Cluster, { id }: Subject): Promise<void> {
  const expired = { expires_at: instant(1), refresh_at: null };
  await installation.store.transaction(async (tx) => {
    tx.invalidates("connections", id);
    await run(tx.db.updateTable("connections").set(expired).where("id", "=", id));
  });
}

const POLL_MS = 25;

/** Polls until `find` returns a value. Other processes make the progress. */
export async function waitFor<T>(
  what: string,
  find: () => Promise<T | null> | T | null,
  limit_ms = 60_000,
): Promise<T> {
  const deadline = performance.now() + limit_ms;
  for (;;) {
    const found = await find();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`Not within ${limit_ms} ms: ${what}.`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}

/**
 * Waits until no refresh is open: renewed, or given up with its reason. If nothing was left behind,
 * a reader must start a refresh. If the holder lives on without knowing its lease, that reader must
 * be on the holder.
 */
export async function settledOutcome(
  cluster: Cluster,
  subject: Subject,
  { limit_ms, holder }: { readonly limit_ms: number; readonly holder?: Node },
): Promise<Outcome> {
  const settled = async (): Promise<Outcome | null> => {
    const outcome = await outcomeOf(cluster, subject);
    if (!outcome.is_open && (outcome.status !== "active" || outcome.exchanges > 0)) return outcome;
    const node = outcome.is_open ? holder : cluster.first;
    if (node !== undefined) await read(node, subject);
    return null;
  };
  return waitFor(`the refresh of ${subject.service} is settled`, settled, limit_ms).catch(async (error: unknown) => {
    throw new Error(`${String(error)} ${JSON.stringify(await outcomeOf(cluster, subject))}`, { cause: error });
  });
}

/**
 * The actions of users, builders and the world during a run: consents, disconnects, outages. Each
 * counts when it really happened.
 */
import { Secret } from "../../src/core/secret.ts";
import type { Instant } from "../../src/core/types.ts";
import { emit } from "../../src/service/events/events.ts";
import { grantColumns, NOTHING_BEFORE } from "../../src/service/grants/grant.ts";
import { run } from "../../src/store/operation.ts";
import { deleteApp } from "../../src/store/queries/apps.ts";
import { clearMisconfigured, putConnection, type ConsentedConnection } from "../../src/store/queries/connections.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import type { FaultName } from "./faults.ts";
import type { Node } from "./node.ts";
import type { Processes } from "./processes.ts";
import type { Issued } from "./provider.ts";
import { describe } from "./readers.ts";
import { CLIENT_ID, NODES, TYPE, type Stage, type Subject } from "./stage.ts";

const SET_BACK_MS = 240_000;
const HOUR_MS = 3_600_000;

export type Actions = Partial<Readonly<Record<FaultName, () => void>>>;

export function createActions(stage: Stage, processes: Processes): Actions {
  return { crash_of_all_nodes: processes.crashAll, ...serverActions(stage), ...userActions(stage, processes) };
}

/** Failures of machines, provider and database. */
function serverActions(stage: Stage): Actions {
  const { cluster, world } = stage;
  const { random } = world;
  return {
    clock_set_back: () => setClockBack(stage),
    provider_down: () => stopProvider(stage),
    invalid_client: () => rejectClient(stage),
    revoked_at_provider: () => revokeGrant(stage),
    database_down: () => cluster.down("database_down", random.between(200, 40_000)),
    database_full: () => cluster.down("database_full", random.between(1_000, 20_000)),
    database_read_only: () => cluster.down("database_read_only", random.between(1_000, 20_000)),
    database_slow: () => cluster.slow(random.between(3_000, 20_000)),
    node_cut_off: () => cluster.cutOff(random.between(0, NODES - 1), random.between(2_000, 60_000)),
    failover_lost_commits: () => cluster.failOver(),
    database_clock_jumps: () => cluster.jumpClock(random.pick([-HOUR_MS, -30_000, 30_000, HOUR_MS])),
  };
}

/** Requests of users and builders, through a node. */
function userActions(stage: Stage, processes: Processes): Actions {
  const byUser = (name: FaultName, action: UserAction): (() => void) => {
    return () => perform(stage, processes, name, action);
  };
  return {
    consented_again: byUser("consented_again", (node, subject) => consent(stage, node, subject)),
    disconnected: byUser("disconnected", (node, { app_id }) => node.connections.disconnect(app_id, TYPE)),
    removed: byUser("removed", (node, { app_id }) => node.connections.remove(app_id, TYPE)),
    app_deleted: byUser("app_deleted", (node, subject) => deleteSubject(stage, node, subject)),
    config_patched: byUser("config_patched", (node, subject) => patchConfig(stage, node, subject)),
  };
}

type UserAction = (node: Node, subject: Subject) => Promise<unknown>;

/** Performs the action through a random node. */
function perform(
  { world, subjects, deleted_apps }: Stage,
  processes: Processes,
  name: FaultName,
  action: UserAction,
): void {
  const node = processes.any();
  const subject = world.random.pick(subjects);
  if (node === null || deleted_apps.has(subject.app_id)) return;
  void action(node, subject)
    .then(() => world.happened(name, subject.id))
    .catch((error: unknown) => world.trace(() => `${name} of ${subject.id} failed: ${describe(error)}`));
}

function setClockBack({ world, machines }: Stage): void {
  const machine = world.random.pick(machines);
  machine.skew_ms -= SET_BACK_MS;
  world.happened("clock_set_back", `node ${machine.node}`);
}

function stopProvider({ world, weather }: Stage): void {
  const for_ms = world.random.between(2_000, 50_000);
  weather.provider_down_until = world.now() + for_ms;
  world.happened("provider_down", `${for_ms} ms`);
}

/** The provider rejects the OAuth client until its secret is replaced. */
function rejectClient({ world, weather, cluster }: Stage): void {
  const for_ms = world.random.between(2_000, 30_000);
  weather.invalid_client_until = world.now() + for_ms;
  world.happened("invalid_client", `${for_ms} ms`);
  world.at(null, for_ms, () => void cluster.commit((tx) => clearMisconfigured(tx, CLIENT_ID)));
}

function revokeGrant({ world, provider, subjects }: Stage): void {
  const { id } = world.random.pick(subjects);
  provider.revoke(id, "user");
  world.happened("revoked_at_provider", id);
}

async function consent(stage: Stage, node: Node, subject: Subject): Promise<void> {
  const { world, profile, provider, cluster } = stage;
  if (world.random.chance(profile.consent_ends_older_grants)) {
    provider.revoke(subject.id, "user");
    world.happened("consent_ends_older_grants", subject.id);
  }
  const issued = provider.consent(subject.id);
  const received_at = cluster.now();
  while (!(await storeConsent(stage, node, subject, issued, received_at)))
    world.trace(() => `${subject.id} moved during a consent`);
}

/** Returns false if the row changed meanwhile. */
async function storeConsent(
  stage: Stage,
  node: Node,
  subject: Subject,
  issued: Issued,
  received_at: Instant,
): Promise<boolean> {
  const seen = await node.store.findConnection(subject.app_id, TYPE);
  const consented = await consentedRow(stage, subject, issued, seen, received_at);
  const is_stored = await node.store.transaction(async (tx) => {
    const done = await putConnection(tx, consented, seen);
    if (done) await emit(tx, "connection.connected", { ...consented, reason: null });
    return done;
  });
  dropCached(node, subject);
  return is_stored;
}

async function deleteSubject({ deleted_apps }: Stage, node: Node, subject: Subject): Promise<void> {
  await node.store.transaction((tx) => deleteApp(tx, subject.app_id));
  dropCached(node, subject);
  deleted_apps.add(subject.app_id);
}

function patchConfig({ world }: Stage, node: Node, { id }: Subject): Promise<unknown> {
  const config = JSON.stringify({ setting: `patch-${world.now()}` });
  return node.store.transaction(async (tx) => {
    tx.invalidates("connections", id);
    await run(tx.db.updateTable("connections").set({ config }).where("id", "=", id));
  });
}

/** The database notifies other nodes of a write, but not the writer. */
function dropCached({ cache }: Node, { app_id }: Subject): void {
  cache.drop({ app_id, integration_type: TYPE });
}

/** Returns the row that the callback stores after a consent. */
export async function consentedRow(
  { provider, simulated, vault }: Pick<Stage, "provider" | "simulated" | "vault">,
  { id, app_id }: Subject,
  { access, refresh }: Issued,
  seen: ConnectionRow | null,
  received_at: Instant,
): Promise<ConsentedConnection> {
  const target = { app_id, id, generation: (seen?.generation ?? 0) + 1 };
  const grant = {
    access_token: new Secret(access.text),
    refresh_token: refresh === null ? null : new Secret(refresh.text),
    announced_s: provider.access_ms / 1_000,
    refresh_announced_s: null,
    scopes: [],
    config: {},
    received_at,
  };
  return {
    ...target,
    ...(await grantColumns(vault, simulated, target, grant, NOTHING_BEFORE)),
    integration_type: TYPE,
    account_id: id,
    account_label: null,
    account_email: null,
    scopes_requested: [],
    scopes_granted: [],
    config: {},
    oauth_client_id: CLIENT_ID,
    connected_by: "user",
  };
}

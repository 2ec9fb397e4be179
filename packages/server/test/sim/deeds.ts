/** What people and the world do once in a while: consents, disconnects, outages. Each is counted when it really happened. */
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

export type Deeds = Partial<Readonly<Record<FaultName, () => void>>>;

export function createDeeds(stage: Stage, processes: Processes): Deeds {
  const { world, profile, provider, weather, cluster, subjects, gone_apps, machines } = stage;
  const { random } = world;

  /** By the node that the person happens to be sent to. */
  function person(name: FaultName, action: (node: Node, subject: Subject) => Promise<unknown>): void {
    const node = processes.any();
    const subject = random.pick(subjects);
    if (node === null || gone_apps.has(subject.app_id)) return;
    void action(node, subject)
      .then(() => world.happened(name, subject.id))
      .catch((error: unknown) => world.note(() => `${name} of ${subject.id} failed: ${describe(error)}`));
  }

  async function consent(node: Node, subject: Subject): Promise<void> {
    if (random.chance(profile.consent_ends_older_grants)) {
      provider.revoke(subject.id, "person");
      world.happened("consent_ends_older_grants", subject.id);
    }
    const issued = provider.consent(subject.id);
    const received_at = cluster.now();
    while (!(await putBy(node, subject, issued, received_at))) world.note(() => `${subject.id} moved during a consent`);
  }

  async function putBy(node: Node, subject: Subject, issued: Issued, received_at: Instant): Promise<boolean> {
    const { app_id } = subject;
    const seen = await node.store.findConnection(app_id, TYPE);
    const consented = await consentedRow(stage, subject, issued, seen, received_at);
    const put = await node.store.transaction(async (tx) => {
      const done = await putConnection(tx, consented, seen);
      if (done) await emit(tx, "connection.connected", { ...consented, reason: null });
      return done;
    });
    forget(node, subject);
    return put;
  }

  /** Other nodes hear of a write from the database, the one that wrote does not. */
  function forget(node: Node, { app_id }: Subject): void {
    node.cache.drop({ app_id, integration_type: TYPE });
  }

  const secretReplaced = (): void => void cluster.commit((tx) => clearMisconfigured(tx, CLIENT_ID));

  return {
    crash_of_all_nodes: processes.crashAll,
    clock_set_back() {
      const machine = random.pick(machines);
      machine.skew_ms -= SET_BACK_MS;
      world.happened("clock_set_back", `node ${machine.node}`);
    },
    provider_down() {
      const for_ms = random.between(2_000, 50_000);
      weather.provider_down_until = world.now() + for_ms;
      world.happened("provider_down", `${for_ms} ms`);
    },
    invalid_client() {
      const for_ms = random.between(2_000, 30_000);
      weather.invalid_client_until = world.now() + for_ms;
      world.happened("invalid_client", `${for_ms} ms`);
      world.at(null, for_ms, secretReplaced);
    },
    revoked_at_provider() {
      const { id } = random.pick(subjects);
      provider.revoke(id, "person");
      world.happened("revoked_at_provider", id);
    },
    database_down: () => cluster.down("database_down", random.between(200, 40_000)),
    database_full: () => cluster.down("database_full", random.between(1_000, 20_000)),
    database_read_only: () => cluster.down("database_read_only", random.between(1_000, 20_000)),
    database_slow: () => cluster.slow(random.between(3_000, 20_000)),
    node_cut_off: () => cluster.cutOff(random.between(0, NODES - 1), random.between(2_000, 60_000)),
    failover_lost_commits: () => cluster.failOver(),
    database_clock_jumps: () => cluster.jumpClock(random.pick([-HOUR_MS, -30_000, 30_000, HOUR_MS])),
    consented_again: () => person("consented_again", consent),
    disconnected: () => person("disconnected", (node, { app_id }) => node.connections.disconnect(app_id, TYPE)),
    removed: () => person("removed", (node, { app_id }) => node.connections.remove(app_id, TYPE)),
    app_deleted: () =>
      person("app_deleted", async (node, subject) => {
        await node.store.transaction((tx) => deleteApp(tx, subject.app_id));
        forget(node, subject);
        gone_apps.add(subject.app_id);
      }),
    config_patched: () =>
      person("config_patched", (node, { id }) => {
        const config = JSON.stringify({ setting: `patch-${world.now()}` });
        return node.store.transaction(async (tx) => {
          tx.invalidates("connections", id);
          await run(tx.db.updateTable("connections").set({ config }).where("id", "=", id));
        });
      }),
  };
}

/** What the callback makes of a consent. */
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
    connected_by: "person",
  };
}

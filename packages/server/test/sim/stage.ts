/** What the parts of a run share: world, provider, database, machines, and the observer of all. */
import { instant, type AppId, type ConnectionId, type Instant, type OAuthClientId } from "../../src/core/types.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { Catalog } from "../../src/providers/index.ts";
import type { Vault } from "../../src/vault/seal.ts";
import type { Cluster } from "./cluster.ts";
import type { SharedDatabase } from "./database.ts";
import type { Profile } from "./faults.ts";
import type { Weather } from "./network.ts";
import type { Node } from "./node.ts";
import type { Observer } from "./observer.ts";
import type { ProviderModel } from "./provider.ts";
import type { Disk } from "./spill.ts";
import type { World } from "./world.ts";

/** One app with one connection. */
export interface Subject {
  readonly id: ConnectionId;
  readonly app_id: AppId;
}

export interface Machine {
  readonly node: number;
  readonly disk: Disk;
  boots: number;
  /** Error of its wall clock. */
  skew_ms: number;
  /** Null if no process runs. */
  current: Node | null;
}

export interface Stage {
  readonly world: World;
  readonly profile: Profile;
  readonly provider: ProviderModel;
  readonly catalog: Catalog;
  readonly simulated: Provider;
  readonly weather: Weather;
  readonly database: SharedDatabase;
  readonly cluster: Cluster;
  readonly observer: Observer;
  readonly vault: Vault;
  readonly subjects: readonly [Subject, ...Subject[]];
  /** Deleted apps, whose keys are deleted, too. */
  readonly deleted_apps: Set<string>;
  readonly machines: readonly [Machine, ...Machine[]];
  /** The faults have ended. */
  is_calm: boolean;
}

export const NODES = 3;
export const TYPE = "simulated";
/** True time 0. */
export const WALL: Instant = instant(Date.UTC(2026, 10, 23, 12));

/* oxlint-disable typescript/no-unsafe-type-assertion -- ids, which only have to differ. */
export const CLIENT_ID = "cli_simulated" as OAuthClientId;
export const subjectOf = (index: number): Subject => ({
  id: `con_${index}` as ConnectionId,
  app_id: `app_${index}` as AppId,
});
/* oxlint-enable typescript/no-unsafe-type-assertion */

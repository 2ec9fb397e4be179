/** What the parts of one run share: the world, the provider, the database, the machines, and the judge that sees them all. */
import { instant, type AppId, type ConnectionId, type Instant, type OAuthClientId } from "../../src/core/types.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { Catalog } from "../../src/providers/index.ts";
import type { Vault } from "../../src/vault/seal.ts";
import type { Cluster } from "./cluster.ts";
import type { SharedDatabase } from "./database.ts";
import type { Profile } from "./faults.ts";
import type { Judge } from "./judge.ts";
import type { Weather } from "./network.ts";
import type { Node } from "./node.ts";
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
  /** How far its wall clock is off. */
  skew_ms: number;
  /** Null: no process runs. */
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
  readonly judge: Judge;
  readonly vault: Vault;
  readonly subjects: readonly [Subject, ...Subject[]];
  /** Apps that were deleted, and their keys with them. */
  readonly gone_apps: Set<string>;
  readonly machines: readonly [Machine, ...Machine[]];
  /** Nothing goes wrong any more. */
  calm: boolean;
}

export const NODES = 3;
export const TYPE = "simulated";
/** True time 0. */
export const WALL: Instant = instant(Date.UTC(2026, 10, 23, 12));

/* oxlint-disable typescript/no-unsafe-type-assertion -- ids, which only have to be unlike each other. */
export const CLIENT_ID = "cli_simulated" as OAuthClientId;
export const subjectOf = (index: number): Subject => ({
  id: `con_${index}` as ConnectionId,
  app_id: `app_${index}` as AppId,
});
/* oxlint-enable typescript/no-unsafe-type-assertion */

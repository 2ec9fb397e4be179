/** The dependencies of this room's verbs. Types only. */
import type { LRUCache } from "lru-cache";
import type { FunctionRow } from "../../store/tables.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import type { ReadCache } from "../cache/read-cache.ts";
import type { Ground } from "../ground.ts";
import type { FunctionDirectory } from "./directory.ts";
import type { AppSecrets } from "./secrets.ts";
import type { Turns } from "./turns.ts";

export interface FunctionsDeps extends Pick<
  Ground,
  "store" | "limits" | "clock" | "log" | "bundler" | "functions_isolation"
> {
  readonly gate: DatabaseGate;
  readonly appSecrets: AppSecrets;
}

export interface FunctionsState extends FunctionsDeps {
  /** Functions of one app that come from a directory, or null. */
  directory: FunctionDirectory | null;
  readonly rows: ReadCache<FunctionRow>;
  /** Bundles with their source maps, by digest. They never change, so they never become stale. */
  readonly code: LRUCache<string, string>;
  /** Deployments that are bundled now, and the ones that wait. */
  readonly turns: Turns;
}

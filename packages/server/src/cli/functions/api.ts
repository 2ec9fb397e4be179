/**
 * The calls of commands on an app's functions and secrets: the same over HTTP (remote-api.ts) and
 * on the data of this machine (local-api.ts).
 */
import type { SourceFile } from "../../core/functions/functions.ts";
import type { Secret } from "../../core/secret.ts";
import type { Reply } from "../remote/reply.ts";

export interface Deployment {
  readonly entry: string;
  readonly files: readonly SourceFile[];
  /** Not checked yet. */
  readonly automations: readonly unknown[];
}

export type Deployed = Reply<"deployed">;
export type ListedFunction = Reply<"functions">["functions"][number];
export type ListedVersion = Reply<"function_versions">["versions"][number];
export type ListedSchedule = Reply<"schedules">["schedules"][number];

export interface FunctionsApi {
  deploy(name: string, deployment: Deployment): Promise<Deployed>;
  list(): Promise<readonly ListedFunction[]>;
  /** Returns the schedules of all functions. */
  schedules(): Promise<readonly ListedSchedule[]>;
  /** Returns the kept versions, the latest first. */
  versions(name: string): Promise<readonly ListedVersion[]>;
  /** Null: the version before the live one. Returns the version that is live now. */
  rollback(name: string, to: number | null): Promise<number>;
  remove(name: string): Promise<void>;
  /** Stores secrets, all of them or none. */
  setSecrets(values: Readonly<Record<string, Secret>>): Promise<void>;
  /** Returns the names. */
  listSecrets(): Promise<readonly string[]>;
  /** Returns false if there is no such secret. */
  removeSecret(name: string): Promise<boolean>;
}

/**
 * What the server and the bundler's process say to each other: one JSON value each way. The process
 * reads hostile files, so the server checks its reply like any other input.
 */
import type { SourceTree } from "../../../core/functions/functions.ts";
import type { SdkName } from "./imports.ts";

/** An SDK that this server ships, as one module. */
export interface ShippedSdk {
  readonly version: string;
  readonly code: string;
}

export interface Assignment {
  readonly tree: SourceTree;
  /** `imports` of the function's deno.json. */
  readonly imports: Readonly<Record<string, string>>;
  readonly sdks: Readonly<Record<SdkName, ShippedSdk>>;
  /** Versions of @base44/sdk that are fetched instead, if a function names exactly one of them. */
  readonly pinned: readonly string[];
  /** Base URL of the JSR registry, with a slash at its end. */
  readonly jsr_registry: string;
  /** Files to fetch at most. */
  readonly fetched_files: number;
}

export interface Surroundings {
  /** The path of Deno. */
  readonly deno: string;
  /** Deno's environment: its cache, registries and proxy. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface Built {
  readonly kind: "built";
  readonly code: string;
  readonly source_map: string;
  readonly lock: string;
  readonly notes: readonly string[];
  /** Imports that pin an SDK version other than the server's. */
  readonly pins: readonly string[];
}

/** The function cannot be bundled. Each problem is a sentence, with file and line if it has one. */
export interface Refused {
  readonly kind: "refused";
  readonly problems: readonly string[];
}

export type Outcome = Built | Refused;

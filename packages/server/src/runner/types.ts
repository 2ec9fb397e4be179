/** The shapes that the parts of this room share. Types only. */
import type { Instant } from "../core/types.ts";
import type { OutputLevel } from "./output.ts";

/** One console call, one uncaught error, or output that bypassed the console. */
export interface FunctionLogRecord {
  readonly app_id: string;
  readonly function_name: string;
  /** The version that ran. Null if none did. */
  readonly version: string | null;
  /** The request that the invocation serves. Null outside any invocation. */
  readonly request_id: string | null;
  readonly level: OutputLevel;
  /** Without the secrets of the function. */
  readonly message: string;
}

export interface TokenRequest {
  readonly app_id: string;
  readonly function_name: string;
  readonly expires_at: Instant;
  readonly invocation_id: string;
  /** The process that runs the invocation. The token is valid only on its bridge. */
  readonly process_id: string;
}

/** The function that a process runs. */
export interface ProcessOwner {
  readonly app_id: string;
  readonly function_name: string;
}

/**
 * Starts processes that run untrusted code, and enforces their limits. Owns the
 * operating system's side: namespaces, uids, sockets and resident size. Must not know functions,
 * versions, tokens or HTTP.
 */
import { closeSync, openSync, rmSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import type { Isolation, UidRange } from "../../core/functions/function-settings.ts";
import { copyAuthorities } from "./authorities.ts";
import { spawnIsolated } from "./isolated.ts";
import { spawnPlain } from "./plain.ts";
import { makeRoot, runtimeMounts } from "./runtime.ts";
import type { Mount, Sandbox, SandboxState } from "./types.ts";
import { createUids } from "./uids.ts";

export interface SandboxOptions {
  readonly isolation: Isolation;
  /** The Deno binary. */
  readonly deno: string;
  /** PEM file of further certificate authorities that jobs trust, or null. */
  readonly authorities: string | null;
  /** Host uids for apps, if this server is root. */
  readonly uids: UidRange;
  /** How often memory and CPU time of each process are read. */
  readonly poll_ms: number;
  readonly start_timeout_ms: number;
  readonly clock: Clock;
}

/** Does not check that the isolation holds: `probe` does. */
export function createSandbox({ isolation, deno, authorities: trusted, uids, ...rest }: SandboxOptions): Sandbox {
  const root = makeRoot();
  const authorities = trusted === null ? null : copyAuthorities(root, trusted);
  const is_root = process.getuid?.() === 0;
  const has_terminal = hasTerminal();
  const state: SandboxState = {
    ...rest,
    deno,
    root,
    authorities,
    has_terminal,
    uids: is_root ? createUids(uids) : null,
  };
  let runtime: readonly Mount[] | null = null;
  return {
    isolation,
    root,
    spawn: async (job) => {
      if (isolation === "none") return await spawnPlain(state, job);
      // Found at the first job, so that a missing program is a failure to start one.
      runtime ??= runtimeMounts(state);
      return await spawnIsolated({ ...state, runtime }, job);
    },
    close: async () => rmSync(root, { recursive: true, force: true, maxRetries: 3 }),
  };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

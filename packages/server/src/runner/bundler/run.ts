/** Runs the bundler's process once, within its limits, and reports what the server saw of it. */
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Clock } from "../../core/clock.ts";
import type { Registries } from "../../core/functions/function-settings.ts";
import type { Limits } from "../../core/limits.ts";
import { serveEgress, TOO_MANY_BYTES } from "../egress/proxy.ts";
import type { Rules } from "../egress/target.ts";
import { authoritiesVariable } from "../sandbox/authorities.ts";
import type { Exit, Place, Sandbox, SandboxedProcess, SandboxJob } from "../sandbox/types.ts";
import type { Assignment, Surroundings } from "./inside/protocol.ts";
import { ESBUILD, PROGRAM } from "./toolbox.ts";

export interface RunOptions {
  readonly sandbox: Sandbox;
  readonly registries: Registries;
  readonly egress: Rules;
  readonly limits: Limits;
  readonly clock: Clock;
}

/** Why this server stopped a process. */
type Stop = "aborted" | "time" | "bytes" | "output";

export interface Report {
  readonly exit: Exit;
  /** Null: it ended on its own, or the sandbox killed it. */
  readonly stop: Stop | null;
  /** Everything that the process wrote to stdout. Not checked yet. */
  readonly reply: string;
  /** The end of stderr. */
  readonly output: string;
  /** Targets that the egress proxy refused, with the reason. */
  readonly refused: readonly string[];
}

/** The uid of the bundler's processes. No app has this name. */
const OWNER = "bundler";
const TOOLS = "/bundler";
const EGRESS = "egress";
const OUTPUT_LENGTH = 2_000;
/** JSON can write one character as six: `\u0000`. */
const JSON_FACTOR = 6;
/** More are not worth reading. */
const REFUSED_TARGETS = 5;

interface Work {
  /** The toolbox. */
  readonly folder: string;
  readonly assignment: Assignment;
}

export async function runAssignment(options: RunOptions, work: Work, signal?: AbortSignal): Promise<Report> {
  const { sandbox, limits, clock } = options;
  const process = await sandbox.spawn(jobOf(options, work.folder));
  let stopped: Stop | null = null;
  const stop = (why: Stop): void => {
    stopped ??= why;
    process.kill();
  };
  const abort = (): void => stop("aborted");
  signal?.addEventListener("abort", abort);
  const cancelTimeout = clock.after(limits.function_bundle_timeout_ms, () => stop("time"));
  try {
    const refused = serveFetches(options, process, () => stop("bytes"));
    // A process that exits early does not read its assignment. Its exit explains why.
    process.stdin.on("error", () => {});
    process.stdin.end(JSON.stringify(work.assignment));
    const reply_bytes = JSON_FACTOR * limits.function_bundle_bytes;
    const [reply, output, exit] = await Promise.all([
      collect(process.stdout, reply_bytes, () => stop("output")),
      lastOf(process.stderr),
      process.exited,
    ]);
    return { exit, stop: stopped, reply, output, refused: [...refused] };
  } finally {
    cancelTimeout();
    signal?.removeEventListener("abort", abort);
    process.kill();
  }
}

function jobOf({ limits, registries }: RunOptions, folder: string): SandboxJob {
  return {
    owner: OWNER,
    mounts: [{ host: folder, inside: TOOLS }],
    listeners: [EGRESS],
    limits: {
      memory_bytes: limits.function_bundle_memory_bytes,
      scratch_bytes: limits.function_bundle_scratch_bytes,
      tasks: limits.function_tasks,
    },
    command: (place) => {
      const surroundings: Surroundings = { deno: place.deno, environment: denoEnvironment(registries, place) };
      return [place.node, "--no-warnings", join(place.path(TOOLS), PROGRAM), JSON.stringify(surroundings)];
    },
    environment: (place) => ({ HOME: place.scratch, ESBUILD_BINARY_PATH: join(place.path(TOOLS), ESBUILD) }),
  };
}

function denoEnvironment({ npm, jsr }: Registries, place: Place): Surroundings["environment"] {
  const proxy = `http://127.0.0.1:${place.ports[EGRESS]}`;
  return {
    HOME: place.scratch,
    DENO_DIR: join(place.scratch, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    NPM_CONFIG_REGISTRY: npm,
    JSR_URL: jsr,
    ...authoritiesVariable(place),
  };
}

/** Lets the process fetch through the egress proxy. Returns what the proxy refuses. */
function serveFetches(
  { egress, limits, clock }: RunOptions,
  { listeners }: SandboxedProcess,
  onTooMuch: () => void,
): ReadonlySet<string> {
  const refused = new Set<string>();
  const listener = listeners[EGRESS];
  if (listener === undefined) throw new Error("The sandbox has no listener.");
  serveEgress(listener, {
    ...egress,
    gateway: null,
    connections: limits.function_connections,
    total_bytes: limits.function_fetched_bytes,
    clock,
    connect_timeout_ms: limits.function_connect_timeout_ms,
    idle_timeout_ms: limits.function_connection_idle_ms,
    onRefused: (target, why) => {
      if (why === TOO_MANY_BYTES) onTooMuch();
      else if (refused.size < REFUSED_TARGETS) refused.add(`${target} was refused: ${why}.`);
    },
  });
  return refused;
}

/** Returns the text of a stream. Calls `onTooMuch` if it is longer, and drops the rest. */
async function collect(stream: Readable, most_bytes: number, onTooMuch: () => void): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const data: Buffer = chunk;
    bytes += data.length;
    if (bytes <= most_bytes) chunks.push(data);
    else onTooMuch();
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function lastOf(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    const data: Buffer = chunk;
    text = `${text}${data.toString("utf8")}`.slice(-OUTPUT_LENGTH);
  }
  return text;
}

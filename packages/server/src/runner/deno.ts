/**
 * Finds the Deno binary and describes a function's job: Deno with only the permissions that a
 * function needs. Environment and arguments have no secrets, because other processes can read both.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { CodedError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import { authoritiesVariable } from "./sandbox/authorities.ts";
import type { Exit, Place, SandboxedProcess, SandboxJob } from "./sandbox/types.ts";

/** The npm packages that contain Deno, by platform and processor. */
const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
};

/**
 * Returns the path of the binary. `.bin/deno` is a script that would cost a Node process per
 * function.
 */
export function findDeno(platform: string = process.platform, arch: string = process.arch): string {
  const name = PACKAGES[`${platform}-${arch}`];
  if (name === undefined) {
    throw new CodedError("configuration", {
      message: `Functions require Deno, which is not available for ${platform}-${arch}.`,
    });
  }
  try {
    // Resolved from the package that depends on it, because the platform package may not be
    // hoisted.
    const fromDeno = createRequire(createRequire(import.meta.url).resolve("deno/package.json"));
    return join(dirname(fromDeno.resolve(`${name}/package.json`)), "deno");
  } catch (cause) {
    const message = `Functions require Deno, but the npm package ${name} is not installed. Run npm ci without --omit=optional.`;
    throw new CodedError("configuration", { message, cause });
  }
}

interface JobOptions {
  readonly app_id: string;
  /** Contains main.mjs and function.mjs. Nothing else can be imported. */
  readonly directory: string;
  /** Origin of the simulator, or null. */
  readonly gateway: string | null;
  readonly sandbox: { readonly isolation: string };
  readonly limits: Limits;
}

/** Where a sandbox mounts the function's version. */
const APP = "/app";
/** The egress proxy knows the gateway by this name. No other name resolves to it. */
export const GATEWAY_HOST = "gateway.holdfast.internal";

const FLAGS = [
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--cached-only",
  "--no-check",
  // Without this, request.signal aborts after every success, and each process prints a warning.
  "--unstable-no-legacy-abort",
] as const;

/**
 * Without --allow-read, and with a single file that imports only node: modules, Deno opens no file
 * for a function. The sandbox holds if Deno does not.
 */
export function jobOf({ app_id, directory, gateway, sandbox, limits }: JobOptions): SandboxJob {
  const is_isolated = sandbox.isolation !== "none";
  return {
    owner: app_id,
    mounts: [{ host: directory, inside: APP }],
    // The server's API, and the egress proxy.
    listeners: is_isolated ? ["api", "egress"] : ["api"],
    limits: {
      memory_bytes: limits.function_memory_bytes,
      scratch_bytes: limits.function_scratch_bytes,
      tasks: limits.function_tasks,
    },
    command: (place) => [
      place.deno,
      "run",
      ...FLAGS,
      ...(is_isolated ? isolatedRights(place) : plainRights(place, gateway)),
      `--v8-flags=--max-old-space-size=${limits.function_heap_mb}`,
      `${place.path(APP)}/main.mjs`,
    ],
    environment: (place) => ({
      HOME: place.scratch,
      DENO_DIR: join(place.scratch, "deno"),
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      ...authoritiesVariable(place),
      ...(is_isolated ? proxyVariables(place) : {}),
    }),
  };
}

/** In a sandbox the network is the server's listeners, so Deno need not check addresses. */
const isolatedRights = (place: Place): readonly string[] => [
  "--allow-net",
  `--allow-read=${socketOf(place)}`,
  `--allow-write=${socketOf(place)}`,
];

/**
 * 127.0.0.1:0 is its own listener. Functions call the API of any vendor, and deny lists can be
 * bypassed (0.0.0.0, [::1], DNS rebinding). So without a gateway the network is open.
 */
function plainRights(place: Place, gateway: string | null): readonly string[] {
  if (gateway === null) return ["--allow-net"];
  return [`--allow-net=${["127.0.0.1:0", new URL(apiUrl(place)).host, new URL(gateway).host].join(",")}`];
}

function proxyVariables({ ports }: Place): Readonly<Record<string, string>> {
  const proxy = `http://127.0.0.1:${ports["egress"]}`;
  // The last one makes node:http and node:https use the proxy, too.
  return { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: "127.0.0.1", NODE_USE_ENV_PROXY: "1" };
}

/** Where a function's process in a sandbox receives requests. */
export const socketOf = ({ scratch }: Place): string => join(scratch, "function.sock");

/** Where the process finds main.mjs and function.mjs. */
export const versionFolder = (place: Place): string => place.path(APP);

/** The URL by which the process reaches the server's API. */
export const apiUrl = ({ ports }: Place): string => `http://127.0.0.1:${ports["api"]}`;

/** The URL by which the process reaches the simulator at `gateway`. */
export const gatewayFor = ({ host_pid }: SandboxedProcess, gateway: string): string =>
  host_pid === null ? gateway : `http://${GATEWAY_HOST}`;

/**
 * Reports whether memory ran out. V8 traps if its heap is full (SIGTRAP, or 133 from a shell). A
 * SIGKILL that this server did not send is from the OOM killer.
 */
export function isOutOfMemory({ code, signal, killed_for }: Exit): boolean {
  if (killed_for !== null) return killed_for === "memory";
  return (
    (signal !== null && ["SIGTRAP", "SIGILL", "SIGABRT", "SIGKILL"].includes(signal)) ||
    [132, 133, 134, 137].includes(code ?? 0)
  );
}

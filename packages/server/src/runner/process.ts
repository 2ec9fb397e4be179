/**
 * One Deno process of one app and function: starts it in the sandbox, passes its settings, reads
 * its output, and ends it. Must not know when a process should end. pool.ts does.
 */
import { randomBytes } from "node:crypto";
import type { Server } from "node:net";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { Limits } from "../core/limits.ts";
import { apiUrl, gatewayFor, isOutOfMemory, jobOf, socketOf, versionFolder } from "./deno.ts";
import { outOfMemory } from "./failures.ts";
import { readOutput, type OutputRecord } from "./output.ts";
import type { Redactor } from "./redact.ts";
import type { Exit, Sandbox, SandboxedProcess } from "./sandbox/types.ts";
import type { Address } from "./send.ts";

export interface ProcessOptions {
  readonly sandbox: Sandbox;
  readonly app_id: string;
  readonly directory: string;
  readonly function_name: string;
  readonly gateway: string | null;
  readonly gateway_hosts: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Serves the connections of this process's listener as its calls to the API. */
  readonly acceptBridge: (listener: Server, process_id: string) => void;
  /** Serves the connections of this process's other listener as its egress proxy. */
  readonly serveEgress: (listener: Server) => void;
  /** Removes the function's secrets from its output. */
  readonly redactor: Redactor;
  readonly onRecord: (record: OutputRecord, process_id: string) => void;
  /** Called when the child has no work left for this invocation. */
  readonly onDone: (invocation_id: string) => void;
  /** Called when the sandbox could not start the process. */
  readonly onFailure: (error: unknown) => void;
}

export interface FunctionProcess {
  readonly id: string;
  /** Random, per process. Proves that a request is from the server. */
  readonly key: string;
  /** The child's address, once it listens. Rejects with a CodedError. */
  readonly ready: Promise<{ readonly address: Address; readonly api_url: string }>;
  readonly exited: Promise<Exit>;
  readonly redactor: Redactor;
  /** Kills the child immediately, because a function has nothing to clean up. */
  kill(): void;
  /** Grants CPU time for `open` invocations from now on. */
  limitCpu(open: number): void;
}

export function startProcess(options: ProcessOptions): FunctionProcess {
  const { function_name, clock, limits } = options;
  const id = newId("prc");
  const key = randomBytes(32).toString("base64url");
  const ready = Promise.withResolvers<Awaited<FunctionProcess["ready"]>>();
  const spawned = options.sandbox.spawn(jobOf(options));
  const cancelStart = clock.after(limits.function_start_timeout_ms, () => {
    ready.reject(
      new CodedError("function_timeout", { message: `The function ${function_name} did not start in time.` }),
    );
    void kill();
  });
  const kill = async (): Promise<void> => (await spawned).kill();
  const exited = exitOf(spawned, options);
  void spawned.then((child) => converse(child, { id, key }, options, ready.resolve)).catch(ready.reject);
  void exited.then((exit) => ready.reject(exitError(function_name, exit)));
  void ready.promise.catch(() => {}).finally(cancelStart);
  return {
    id,
    key,
    ready: ready.promise,
    exited,
    redactor: options.redactor,
    kill: () => void kill().catch(() => {}),
    limitCpu: (open) => void allowCpu(spawned, open, limits).catch(() => {}),
  };
}

async function exitOf(spawned: Promise<SandboxedProcess>, { onFailure }: ProcessOptions): Promise<Exit> {
  try {
    const { exited } = await spawned;
    return await exited;
  } catch (error) {
    onFailure(error);
    return { code: null, signal: null, killed_for: null };
  }
}

async function allowCpu(spawned: Promise<SandboxedProcess>, open: number, limits: Limits): Promise<void> {
  const child = await spawned;
  child.limitCpu((used_ms) => used_ms + limits.function_idle_cpu_ms + open * limits.function_cpu_ms);
}

/** Connects the child's listeners and reads its output, before and after it is ready. */
function converse(
  child: SandboxedProcess,
  { id, key }: Pick<FunctionProcess, "id" | "key">,
  options: ProcessOptions,
  onReady: (ready: Awaited<FunctionProcess["ready"]>) => void,
): void {
  const { clock, gateway_hosts: hosts, secrets } = options;
  const { api, egress } = child.listeners;
  if (api !== undefined) options.acceptBridge(api, id);
  if (egress !== undefined) options.serveEgress(egress);
  const output_key = randomBytes(32).toString("base64url");
  let is_ready = false;
  const onControl = (word: string, value: string): void => {
    if (word === "done") options.onDone(value);
    // Only the first one counts. It arrives before any code of the function runs. That code can
    // learn the key and send more, and can have removed the socket by then.
    if (word !== "ready" || is_ready) return;
    is_ready = true;
    try {
      onReady({ address: addressOf(child, value), api_url: apiUrl(child.place) });
    } catch {
      // The process has exited meanwhile, or has no such socket. Its exit fails the invocations.
      child.kill();
    }
  };
  const { stdout, stderr, place } = child;
  const { limits, redactor } = options;
  const onRecord = (record: OutputRecord): void => options.onRecord(record, id);
  const folder = versionFolder(place);
  readOutput({ stdout, stderr, key: output_key, folder, clock, limits, redactor, onRecord, onControl });
  // A child that exits immediately closes its stdin. Its exit explains why.
  child.stdin.on("error", () => {});
  const gateway = options.gateway === null ? null : gatewayFor(child, options.gateway);
  const path = child.host_pid === null ? null : socketOf(child.place);
  const settings = { key, output_key, path, gateway, hosts, secrets };
  // Left open. When this server dies, a child without a sandbox reads the end of stdin and exits.
  child.stdin.write(`${JSON.stringify(settings)}\n`);
}

function addressOf(child: SandboxedProcess, port: string): Address {
  if (child.host_pid === null) return { host: "127.0.0.1", port: Number(port) };
  return { socketPath: child.openSocket(socketOf(child.place)) };
}

/** Returns the error for the invocations of a process that exited on its own. */
export function exitError(function_name: string, exit: Exit): CodedError {
  if (isOutOfMemory(exit)) return outOfMemory(function_name);
  if (exit.killed_for === "cpu")
    return new CodedError("function_timeout", {
      message: `The function ${function_name} used too much CPU time. Compute less in a call, or raise HOLDFAST_FUNCTION_CPU_MS.`,
    });
  return new CodedError("function_error", {
    message: `The process of the function ${function_name} exited before it responded. Its log may say why.`,
  });
}

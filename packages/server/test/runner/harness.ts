/**
 * A functions directory, a fake for the server's API and the provider gateway, and a clock moved by
 * hand.
 */
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import type { Isolation } from "../../src/core/functions/function-settings.ts";
import type { LiveFunction } from "../../src/core/functions/functions.ts";
import { asAppId } from "../../src/core/ids.ts";
import { instant, type AppId } from "../../src/core/types.ts";
import { findDeno } from "../../src/runner/deno.ts";
import { createSandbox } from "../../src/runner/sandbox/sandbox.ts";
import type { SandboxedProcess, SandboxJob } from "../../src/runner/sandbox/types.ts";
import { localBundler } from "../support/bundler.ts";
import { TEST_UIDS } from "../support/uids.ts";
import { createFunctionDirectory, type FunctionDirectory } from "../../src/service/functions/directory.ts";
import {
  createFunctionRunner,
  type FunctionRequest,
  type FunctionResponse,
  type FunctionRunner,
} from "../../src/runner/functions.ts";
import type { FunctionLogRecord, TokenRequest } from "../../src/runner/types.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface FakeResponse {
  readonly status?: number;
  readonly body: unknown;
}

export type Respond = (request: Seen) => FakeResponse | Promise<FakeResponse>;

export interface Workbench extends AsyncDisposable {
  readonly dir: string;
  readonly runner: FunctionRunner;
  readonly directory: FunctionDirectory;
  readonly url: string;
  /** Requests that reached the fake. */
  readonly seen: Seen[];
  readonly logs: FunctionLogRecord[];
  readonly issued: TokenRequest[];
  readonly ended: string[];
  /** The processes that were started, in order. */
  readonly processes: SandboxedProcess[];
  /** Moves the clock and runs the timers that are due. */
  advance(ms: number): void;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** POSTs to a function of app_a and reads the response's body. */
  call(function_name: string, request?: CallOptions): Promise<Called>;
  /** Does the same, and leaves the response's body to the test. */
  invoke(function_name: string, request?: CallOptions): Promise<FunctionResponse>;
  /** Resolves with the first log line, past or future, that contains `part`. */
  logged(part: string): Promise<FunctionLogRecord>;
  /** Resolves when `count` invocations have ended. */
  endedCount(count: number): Promise<null>;
  /** Resolves when `count` requests have reached the fake. */
  seenCount(count: number): Promise<null>;
}

/** `path` stands for the URL with this path at the public address. */
export type CallOptions = Partial<Omit<FunctionRequest, "function"> & Pick<LiveFunction, "secrets">> & {
  readonly app_id?: string;
  readonly path?: string;
};

interface Called {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WorkbenchOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly functions_dir?: string;
  readonly limits?: Partial<Limits>;
  readonly gateway_hosts?: readonly string[];
  readonly respond?: Respond;
  /** `bubblewrap` unless given. */
  readonly isolation?: Isolation;
  /** PEM file of authorities that functions trust besides the public ones. */
  readonly authorities?: string;
  /** `host:port` of each target that functions can reach. Its address is loopback. */
  readonly reachable?: readonly string[];
  /**
   * The text of a program that runs with every permission of Deno instead of the bootstrap and the
   * function: what an attacker has who took over the process.
   */
  readonly taken_over_by?: string;
}

export async function openWorkbench(options: WorkbenchOptions = {}): Promise<Workbench> {
  const dir = await temporaryFolder();
  const { clock, advance } = handClock();
  const notice = noticeboard();
  const seen: Seen[] = [];
  const logs: FunctionLogRecord[] = [];
  const issued: TokenRequest[] = [];
  const ended: string[] = [];
  const fake = await listen(async (request) => {
    seen.push(request);
    notice.changed();
    return (await options.respond?.(request)) ?? { body: { access_token: "xoxp-1", integration_type: "slack" } };
  });
  const limits = { ...LIMITS, ...options.limits };
  const sandbox = createSandbox({
    isolation: options.isolation ?? "bubblewrap",
    deno: findDeno(),
    authorities: options.authorities ?? null,
    uids: TEST_UIDS,
    poll_ms: limits.function_poll_ms,
    start_timeout_ms: limits.function_start_timeout_ms,
    clock: systemClock,
  });
  const processes: SandboxedProcess[] = [];
  const spawn = async (job: SandboxJob): Promise<SandboxedProcess> => {
    const started = await sandbox.spawn(takenOver(job, sandbox.root, options.taken_over_by));
    processes.push(started);
    return started;
  };
  const bundler = await localBundler();
  const directory = createFunctionDirectory({
    app_id: asAppId("app_a"),
    directory: options.functions_dir ?? dir,
    secrets: {},
    bundler,
    limits,
  });
  const runner = createFunctionRunner({
    sandbox: { ...sandbox, spawn },
    acceptBridge: (listener) => listener.on("connection", (socket) => fake.server.emit("connection", socket)),
    egress: {
      resolve: async (_host, is_allowed) => (is_allowed ? ["127.0.0.1"] : []),
      isOwn: () => false,
      allowed: options.reachable ?? [],
    },
    onFailure: (error) => {
      throw error;
    },
    public_url: "https://holdfast.example",
    gateway: fake.url,
    gateway_hosts: options.gateway_hosts ?? ["slack.com"],
    limits,
    clock,
    log: (line) => {
      logs.push(line);
      notice.changed();
    },
    issueToken: (request) => {
      issued.push(request);
      return `hft_${request.invocation_id}`;
    },
    endInvocation: (id) => {
      ended.push(id);
      notice.changed();
    },
  });
  const write = (files: Readonly<Record<string, string>>): Promise<void> => writeFiles(dir, files);
  await write(options.files ?? {});
  const invoke = async (
    function_name: string,
    { path = "/", app_id = "app_a", secrets = {}, ...request }: CallOptions = {},
  ): Promise<FunctionResponse> => {
    const url = `https://holdfast.example${path}`;
    const live = await liveFunction(directory, function_name, asAppId(app_id), secrets);
    return await runner.invoke({ ...REQUEST, url, function: live, ...request });
  };
  return {
    dir,
    runner,
    invoke,
    directory,
    url: fake.url,
    seen,
    logs,
    issued,
    ended,
    processes,
    advance,
    write,
    async call(function_name, request) {
      const { status, headers, body } = await invoke(function_name, request);
      return { status, headers, body: await text(body) };
    },
    logged: (part) => notice.until(() => logs.find(({ message }) => message.includes(part))),
    endedCount: (count) => notice.until(() => (ended.length >= count ? null : undefined)),
    seenCount: (count) => notice.until(() => (seen.length >= count ? null : undefined)),
    async [Symbol.asyncDispose]() {
      await runner.close();
      await sandbox.close();
      await bundler[Symbol.asyncDispose]();
      await fake.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Returns a function of the directory for any app. */
export async function liveFunction(
  directory: FunctionDirectory,
  function_name: string,
  app_id: AppId = asAppId("app_a"),
  secrets: LiveFunction["secrets"] = {},
): Promise<LiveFunction> {
  const secrets_revision = JSON.stringify(secrets);
  return { app_id, function_name, ...(await directory.code(function_name)), secrets, secrets_revision };
}

function takenOver(job: SandboxJob, root: string, program?: string): SandboxJob {
  if (program === undefined) return job;
  const folder = mkdtempSync(join(root, "takeover-"));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "main.mjs"), program);
  const [{ inside } = { inside: "/app" }] = job.mounts;
  return {
    ...job,
    mounts: [{ host: folder, inside }],
    command: ({ deno, path }) => [deno, "run", "--quiet", "--no-config", "-A", `${path(inside)}/main.mjs`],
  };
}

const REQUEST: Omit<FunctionRequest, "function"> = {
  request_id: "req_test",
  method: "POST",
  url: "https://holdfast.example/",
  prefix: "/",
  client_address: "203.0.113.7",
  headers: {},
  body: null,
  user_authorization: null,
  signal: null,
};

/** Returns the real path of a new folder, because the temporary directory can be a link. */
export async function temporaryFolder(): Promise<string> {
  return await realpath(await mkdtemp(join(tmpdir(), "holdfast-test-")));
}

export async function writeFiles(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
}

/**
 * Returns the reason of a rejection. Listens at once, so that an early rejection is not unhandled.
 */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { resolved: await promise };
  } catch (error) {
    return error;
  }
}

export function isAlive(pid: number | null): boolean {
  if (pid === null) throw new Error("The process has no pid of the host.");
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function listen(respond: (request: Seen) => Promise<FakeResponse>) {
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    void text(request)
      .then((body) => respond({ method, url, headers, body }))
      .then(({ status = 200, body }) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
      )
      // The caller left before its request was complete.
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${address.port}`, server, close };
}

export function handClock(): { clock: Clock; advance: (ms: number) => void } {
  let elapsed_ms = 0;
  let timers: { at_ms: number; action: () => void }[] = [];
  const clock: Clock = {
    now: () => instant(1_700_000_000_000 + elapsed_ms),
    monotonic_ms: () => elapsed_ms,
    after: (delay_ms, action) => {
      const timer = { at_ms: elapsed_ms + delay_ms, action };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
  };
  const advance = (ms: number): void => {
    elapsed_ms += ms;
    const due = timers.filter(({ at_ms }) => at_ms <= elapsed_ms);
    timers = timers.filter((timer) => !due.includes(timer));
    for (const { action } of due) action();
  };
  return { clock, advance };
}

function noticeboard() {
  const waiting = new Set<() => void>();
  return {
    changed: (): void => {
      for (const look of waiting) look();
    },
    until: <T>(find: () => T | undefined): Promise<T> =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = find();
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}

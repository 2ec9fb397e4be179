/**
 * Measures `holdfast connectors push` of 20 connector files on the server's machine and over HTTP,
 * against the same running server, and prints both times in ms with their ratio. Run: `npm exec --
 * node -C holdfast-source tools/push-time.ts [ROUNDS]`. The pushes alternate, so that a busy
 * machine slows down both.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createSimulatedUser } from "../packages/server/src/cli/demo/simulated-user.ts";
import { createCatalog } from "../packages/server/src/providers/index.ts";

const LAUNCHER = join(import.meta.dirname, "../packages/server/bin/holdfast.js");
const FILES = 20;
const ROUNDS = Number(process.argv[2] ?? "7");
if (!Number.isInteger(ROUNDS) || ROUNDS < 1) {
  console.error("The argument is the number of rounds: a whole number, 1 or more.");
  process.exit(2);
}
const ACCOUNT = { name: "Ada", email: "ada@example.com", password: "correct horse battery staple" };

const home = mkdtempSync(join(tmpdir(), "holdfast-push-"));
const data_dir = join(home, "data");
const run = promisify(execFile);
const environment = {
  PATH: process.env["PATH"] ?? "",
  HOME: home,
  NODE_COMPILE_CACHE: join(import.meta.dirname, "../node_modules/.cache/holdfast-tests"),
};

/**
 * Runs a command and returns its JSON document. Exit code 1 is expected: every connector still
 * needs a consent.
 */
async function holdfast(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const options = { cwd: home, env: { ...environment, ...env } };
  const { stdout } = await run(process.execPath, [LAUNCHER, ...args, "--json"], options).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === 1 && "stdout" in error)
      return { stdout: String(error.stdout) };
    throw error;
  });
  return JSON.parse(stdout);
}

function field(document: unknown, name: string): string {
  const value: unknown = typeof document === "object" && document !== null ? Reflect.get(document, name) : undefined;
  if (typeof value !== "string") throw new Error(`There is no ${name} in ${JSON.stringify(document)}`);
  return value;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const started_ms = performance.now();
  const document = JSON.stringify(await action());
  const stored = document.split("needs_oauth").length - 1;
  if (stored !== FILES) throw new Error(`${stored} of ${FILES} files were pushed: ${document}`);
  return performance.now() - started_ms;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const server = spawn(process.execPath, [LAUNCHER, "serve", "--data-dir", data_dir, "--port", "4199", "--json"], {
  cwd: home,
  env: environment,
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const [line]: unknown[] = await once(server.stdout, "data");
  const ready: unknown = JSON.parse(String(line));
  const server_url = field(ready, "server_url");
  await createSimulatedUser(server_url).signIn(field(ready, "setup_url"), ACCOUNT);
  const app = await holdfast(["apps", "create", "shop", "--data-dir", data_dir]);
  const services = createCatalog()
    .all()
    .filter(({ config_fields }) => config_fields.length === 0)
    .slice(0, FILES);
  mkdirSync(join(home, "connectors"));
  for (const { id } of services) {
    writeFileSync(join(home, "connectors", `${id}.jsonc`), JSON.stringify({ type: id, scopes: [] }));
    const reply = await fetch(`${server_url}/api/management/clients/${id}`, {
      method: "PUT",
      headers: { api_key: field(app, "api_key"), "content-type": "application/json" },
      body: JSON.stringify({ client_id: "client", client_secret: "secret" }),
    });
    if (!reply.ok) throw new Error(`The OAuth client of ${id} was refused: ${await reply.text()}`);
  }
  const push = ["connectors", "push", "--yes", "--app", field(app, "app_id")];
  const remote = { HOLDFAST_SERVER_URL: server_url, HOLDFAST_API_KEY: field(app, "api_key") };
  const here: number[] = [];
  const there: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const local_ms = await timed(() => holdfast([...push, "--data-dir", data_dir]));
    const remote_ms = await timed(() => holdfast(push, remote));
    // The first round fills the caches of both.
    if (round > 0) here.push(local_ms);
    if (round > 0) there.push(remote_ms);
  }
  const ratio = median(here) / median(there);
  process.stdout.write(
    `push of ${FILES} files, median of ${ROUNDS}: local ${median(here).toFixed(0)} ms, remote ${median(there).toFixed(0)} ms, ratio ${ratio.toFixed(2)}\n`,
  );
} finally {
  server.kill("SIGTERM");
  await once(server, "close");
  rmSync(home, { recursive: true, force: true });
}

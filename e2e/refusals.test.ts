/** Configurations that must not start, and leave everything unchanged. */
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { holdfast, LAUNCHER } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { prepareSite, startConnected, startSimulated, type Site } from "./support/server.ts";
import { freePort } from "../packages/server/test/support/port.ts";
import { temporaryDirectory } from "./support/temporary.ts";

describe("without the right master key", () => {
  it("neither the server nor a command starts, and not a byte of the data changes", async () => {
    const simulator = await startSimulated();
    const { site, server } = await startConnected(simulator.url, { services: ["slack"] });
    const { home, data_dir } = site;
    const key_file = join(data_dir, "master.key");
    // Killed, not stopped: there is a WAL, which a careless opening would merge into the database.
    server.signal("SIGKILL");
    await server.ended();
    expect(existsSync(join(data_dir, "holdfast.db-wal"))).toBe(true);

    const refused = async (env: Record<string, string>): Promise<readonly unknown[]> => {
      const before = fingerprint(data_dir);
      const codes = [];
      for (const args of [serve(site), ["apps", "list", "--data-dir", data_dir, "--json"]]) {
        const { exit_code, stdout } = await holdfast(args, { home, env });
        codes.push(exit_code, parseJson(stdout).get("error").text("code"));
      }
      expect(fingerprint(data_dir)).toEqual(before);
      return codes;
    };

    const good_key = readFileSync(key_file);
    expect(await refused({ HOLDFAST_MASTER_KEY: randomBytes(32).toString("base64") })).toEqual(
      twice(78, "wrong_master_key"),
    );
    writeFileSync(key_file, `holdfast-key-v1 ${randomBytes(32).toString("base64")}\n`);
    expect(await refused({})).toEqual(twice(78, "wrong_master_key"));
    writeFileSync(key_file, "holdfast-key-v1 too-short\n");
    expect(await refused({})).toEqual(twice(78, "configuration"));
    renameSync(key_file, join(home, "set-aside"));
    expect(await refused({})).toEqual(twice(78, "missing_master_key"));
    expect(existsSync(key_file)).toBe(false);

    writeFileSync(key_file, good_key, { mode: 0o600 });
    await site.start();
  });
});

describe("a wrong configuration exits with 78 and explains what to do", () => {
  it.each<[string, Record<string, string>, RegExp]>([
    ["an unknown variable", { HOLDFAST_PUBLIC_ULR: "https://a.example" }, /HOLDFAST_PUBLIC_ULR is not a setting/],
    [
      "http to other machines",
      { HOLDFAST_PUBLIC_URL: "http://holdfast.example" },
      /must be https .*Example: HOLDFAST_PUBLIC_URL=/,
    ],
    [
      "a public URL with a path",
      { HOLDFAST_PUBLIC_URL: "https://a.example/holdfast" },
      /must be an origin, without a path/,
    ],
    ["a gateway on another machine", { HOLDFAST_PROVIDER_GATEWAY: "http://10.0.0.1:80" }, /must be a loopback origin/],
    ["an open inspector", { NODE_OPTIONS: "--inspect=127.0.0.1:0" }, /enable the inspector/],
    ["disabled certificate checks", { NODE_TLS_REJECT_UNAUTHORIZED: "0" }, /turns off certificate checks/],
    ["a limit that is not a number", { HOLDFAST_SWEEP_INTERVAL_MS: "3s" }, /whole number above 0/],
    [
      "a lease shorter than its request",
      { HOLDFAST_REFRESH_DEADLINE_STRICT_MS: "90000" },
      /HOLDFAST_REFRESH_LEASE_STRICT_MS \(90000\) must be longer than .*Example: HOLDFAST_REFRESH_LEASE_STRICT_MS=/,
    ],
  ])("%s", async (_name, env, message) => {
    const home = temporaryDirectory();
    const { exit_code, stdout, stderr } = await holdfast(["serve"], { home, env });
    expect({ exit_code, stdout }).toEqual({ exit_code: 78, stdout: "" });
    expect(stderr).toMatch(message);
    expect(existsSync(join(home, ".holdfast"))).toBe(false);
  });
});

describe("a resource in use exits with 75", () => {
  it("a second server on the same data", { tags: "all" }, async () => {
    const site = await prepareSite(`http://127.0.0.1:${await freePort()}`);
    const first = await site.start();
    const before = (await holdfast(["apps", "list", "--data-dir", site.data_dir], { home: site.home })).stdout;

    const second = await holdfast([...serve(site), "--port", String(await freePort())], { home: site.home });

    expect(second.exit_code).toBe(75);
    expect(parseJson(second.stdout).get("error").value).toMatchObject({
      code: "database_in_use",
      message: expect.stringContaining(site.data_dir) as unknown,
    });
    expect((await fetch(`${site.server_url}/readyz`)).status).toBe(200);
    expect((await holdfast(["apps", "list", "--data-dir", site.data_dir], { home: site.home })).stdout).toBe(before);
    first.signal("SIGKILL");
    await first.ended();
    // A killed process releases its lock.
    await site.start();
  });

  it("a port that another program listens on", async () => {
    const other = createServer();
    onTestFinished(() => void other.close());
    other.listen(0, "localhost");
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const home = temporaryDirectory();

    const { exit_code, stderr } = await holdfast(["serve", "--port", String(port)], { home });

    expect(exit_code).toBe(75);
    expect(stderr).toContain(`Another program is already listening on port ${port}`);
  });
});

const old_node = findOldNode();
it.skipIf(old_node === null)(
  `prints a message instead of a stack trace on an older Node${old_node === null ? " (skipped: no node below 24 on this machine)" : ""}`,
  async () => {
    const home = temporaryDirectory();
    const child = spawn(old_node ?? "", [LAUNCHER, "serve"], { cwd: home, stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    await once(child, "close");
    expect(child.exitCode).toBe(78);
    expect(stderr).toMatch(/^holdfast requires Node.js 24 or later. This is \d+\.\d+\.\d+/);
    expect(stderr).not.toContain("    at ");
    expect(readdirSync(home)).toEqual([]);
  },
);

const twice = (exit_code: number, code: string): readonly unknown[] => [exit_code, code, exit_code, code];

function serve({ data_dir, server_url, gateway }: Site): string[] {
  const { port } = new URL(server_url);
  return ["serve", "--json", "--data-dir", data_dir, "--port", port, "--provider-gateway", gateway];
}

/**
 * Returns every file with its hash. SQLite's shared-memory file is an index of the WAL that each
 * opening rebuilds.
 */
function fingerprint(directory: string): Readonly<Record<string, string>> {
  const names = readdirSync(directory).filter((name) => !name.endsWith("-shm"));
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(directory, name)))
        .digest("hex"),
    ]),
  );
}

/**
 * Returns the machine's own Node, if it is an older one. In a checkout `npm` puts the right one
 * first in the path.
 */
function findOldNode(): string | null {
  const paths = ["/usr/bin/node", "/usr/local/bin/node", "/usr/bin/nodejs"].filter((path) => existsSync(path));
  return (
    paths.find(
      (path) => Number(execFileSync(path, ["-p", "process.versions.node.split('.')[0]"], { encoding: "utf8" })) < 24,
    ) ?? null
  );
}

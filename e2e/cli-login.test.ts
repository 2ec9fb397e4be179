/**
 * `holdfast login|whoami|logout` as processes, against a server that follows the contract of the
 * login endpoints.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { closedUrl } from "../packages/server/test/cli/web-server.ts";
import { startDeviceServer, type DeviceServer } from "../packages/server/test/cli/device-server.ts";
import { holdfast, LAUNCHER, startInteractive } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { temporaryDirectory } from "./support/temporary.ts";

async function loggedIn(server: DeviceServer, home = temporaryDirectory()): Promise<string> {
  server.decide("approve");
  const login = await holdfast(["login", "--server", server.url], { home });
  expect([login.exit_code, login.stderr]).toEqual([0, expect.stringContaining("BCDF-GHJK") as unknown]);
  return home;
}

it("signs in by a code, prints the account, and signs out on the server first", async () => {
  const server = await startDeviceServer();
  const home = temporaryDirectory();
  server.decide("approve");
  const login = await holdfast(["login", "--server", server.url, "--json"], { home });
  expect(login.exit_code).toBe(0);
  expect(parseJson(login.stdout).value).toEqual({ server_url: server.url, email: "ada@example.com", name: "Ada" });
  expect(login.stderr).toContain(`${server.url}/device`);
  const directory = join(home, ".config", "holdfast");
  expect(readdirSync(directory)).toEqual(["credentials.json"]);
  expect(statSync(join(directory, "credentials.json")).mode & 0o777).toBe(0o600);

  const whoami = await holdfast(["whoami"], { home });
  expect([whoami.exit_code, whoami.stdout]).toEqual([0, `Ada (ada@example.com) at ${server.url}\n`]);
  const { refresh_token } = Object.values(storedLogins(directory))[0] ?? {};
  const logout = await holdfast(["logout"], { home });
  expect([logout.exit_code, logout.stdout]).toEqual([0, `Signed out of ${server.url}.\n`]);
  expect([server.revoked, readdirSync(directory)]).toEqual([[refresh_token], []]);
  const after = await holdfast(["whoami"], { home });
  expect([after.exit_code, after.stderr]).toEqual([
    3,
    expect.stringContaining("holdfast login --server URL") as unknown,
  ]);
});

function storedLogins(directory: string): Record<string, { refresh_token: string }> {
  const text = readFileSync(join(directory, "credentials.json"), "utf8");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the tested command
  return (JSON.parse(text) as { servers: Record<string, { refresh_token: string }> }).servers;
}

it("stores logins under XDG_CONFIG_HOME, and prints no token", { tags: "all" }, async () => {
  const server = await startDeviceServer();
  const home = temporaryDirectory();
  const env = { XDG_CONFIG_HOME: join(home, "custom") };
  server.decide("approve");
  const login = await holdfast(["login", "--server", server.url], { home, env });
  const [{ refresh_token } = { refresh_token: "" }] = Object.values(storedLogins(join(home, "custom", "holdfast")));
  expect(refresh_token).not.toBe("");
  const whoami = await holdfast(["whoami", "--json"], { home, env });
  expect(`${login.stdout}${login.stderr}${whoami.stdout}${whoami.stderr}`).not.toContain(refresh_token);
});

it("refreshes once when eight commands start together", { tags: "all" }, async () => {
  const server = await startDeviceServer();
  const home = await loggedIn(server);
  server.endAccessTokens();
  const all = await Promise.all(Array.from({ length: 8 }, () => holdfast(["whoami"], { home })));
  expect(all.map(({ exit_code }) => exit_code)).toEqual(all.map(() => 0));
  expect([server.refreshes(), server.reuses()]).toEqual([1, 0]);
});

it(
  "distinguishes a refusal, an expired login, a missing server and a plain http address",
  { tags: "all" },
  async () => {
    const server = await startDeviceServer();
    const home = await loggedIn(server);
    server.endLogin();
    const ended = await holdfast(["whoami"], { home });
    expect([ended.exit_code, ended.stderr]).toEqual([
      3,
      expect.stringMatching(/has expired\. To sign in again: holdfast login --server/) as unknown,
    ]);

    server.decide("deny");
    const refused = await holdfast(["login", "--server", server.url], { home });
    expect([refused.exit_code, refused.stderr]).toEqual([3, expect.stringContaining("(login_refused)") as unknown]);
    const closed = await closedUrl();
    const missing = await holdfast(["login", "--server", closed], { home });
    expect([missing.exit_code, missing.stderr]).toEqual([
      6,
      expect.stringContaining(`${closed} is unreachable`) as unknown,
    ]);
    const plain = await holdfast(["login", "--server", "http://connect.example.com"], { home });
    expect([plain.exit_code, plain.stderr]).toEqual([2, expect.stringContaining("Use https") as unknown]);
  },
);

it("keeps the login when the server is unreachable, unless --local-only deletes it here", { tags: "all" }, async () => {
  const server = await startDeviceServer();
  const home = await loggedIn(server);
  await server.close();
  const kept = await holdfast(["logout"], { home });
  expect([kept.exit_code, kept.stderr]).toEqual([6, expect.stringContaining("You are still signed in") as unknown]);
  const local_only = await holdfast(["logout", "--local-only"], { home });
  expect([local_only.exit_code, readdirSync(join(home, ".config", "holdfast"))]).toEqual([0, []]);
});

it("reports a malformed API key without printing it", async () => {
  const home = temporaryDirectory();
  const whoamiWith = (HOLDFAST_API_KEY: string) => holdfast(["whoami"], { home, env: { HOLDFAST_API_KEY } });
  const broken = await whoamiWith("b44k_0123456789abcdefghij_tooshort");
  expect([broken.exit_code, broken.stderr]).toEqual([2, expect.stringContaining("is not an API key") as unknown]);
  expect(broken.stderr).not.toContain("tooshort");
});

it("exits with 130 on Ctrl-C", { tags: "all" }, async () => {
  const server = await startDeviceServer();
  const home = temporaryDirectory();
  const running = await startInteractive(["login", "--server", server.url], { home });
  while (!running.output.stderr.includes("Waiting for your")) await delay(20);
  running.signal("SIGINT");
  expect(await running.ended()).toBe(130);
});

it("exits without an error when its output is closed", { tags: "all" }, async () => {
  const child = spawn(process.execPath, [LAUNCHER, "completion", "fish"], {
    env: { PATH: process.env["PATH"] ?? "", HOME: temporaryDirectory() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  await once(child, "close");
  expect([child.exitCode, stderr]).toEqual([0, ""]);
});

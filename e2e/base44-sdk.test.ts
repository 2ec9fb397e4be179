/**
 * The unmodified public SDK against a running server, as used by a function that moved here from
 * the hosted platform.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { throughGateway } from "../packages/server/src/net/gateway.ts";
import { createCatalog } from "../packages/server/src/providers/index.ts";
import { fillTemplate } from "../packages/server/src/providers/template.ts";
import { parseJson, type Json } from "./support/json.ts";
import { SERVICES, asBuilder, startConnected, startSimulated, type App, type Site } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const PROGRAM = fileURLToPath(new URL("./support/base44-client.ts", import.meta.url));

it.each([
  ["Node", () => Promise.resolve({ command: process.execPath, args: [PROGRAM] })],
  ["Deno", bundleForDeno],
])("%s: getConnection, getAccessToken and errors work unchanged", async (_name, program) => {
  const simulator = await startSimulated();
  const { site, app } = await startConnected(simulator.url);
  const missing = "github";
  const services = SERVICES.filter((service) => service !== missing);
  await asBuilder(site, app, "DELETE", `/api/apps/${app.app_id}/external-auth/integrations/${missing}/remove`);

  const { command, args } = await program(new URL(site.server_url).port);
  const result = await runProgram(command, args, { ...credentials(site, app), services, missing });

  const connected = result.list("connected");
  expect(connected.map((one) => one.text("service"))).toEqual(services);
  for (const one of connected) {
    expect(one.text("access_token")).toBe(one.get("connection").text("accessToken"));
    await expectAccepted(simulator.url, one);
  }
  const configOf = (service: string): unknown =>
    connected
      .find((one) => one.text("service") === service)
      ?.get("connection")
      .get("connectionConfig").value;
  expect(configOf("googlecalendar")).toBeNull();
  expect(configOf("salesforce")).toMatchObject({ instance_url: expect.stringMatching(/^https:\/\//) as unknown });

  const refusals = result.get("refusals");
  expect(refusals.get("not_connected").value).toMatchObject({
    kind: "Base44Error",
    status: 404,
    code: "not_connected",
    message: expect.stringContaining("Connect an account") as unknown,
  });
  expect(refusals.get("unknown_service").value).toMatchObject({
    kind: "Base44Error",
    status: 404,
    code: "unknown_service",
  });
  expect(refusals.get("wrong_token").value).toMatchObject({
    kind: "Base44Error",
    status: 401,
    message: "Unauthorized",
  });
  expect(refusals.get("path_in_name").value).toMatchObject({
    kind: "Base44Error",
    status: 400,
    code: "invalid_service",
  });
  expect(refusals.get("empty_name").value).toEqual({ kind: "Error" });
});

const credentials = ({ server_url }: Site, { app_id, service_token }: App) => ({ server_url, app_id, service_token });

/** Sends the provider's health request to the simulator, with the token. */
async function expectAccepted(gateway: string, one: Json): Promise<void> {
  const provider = createCatalog().get(one.text("service"));
  if (provider === null) throw new Error(`The catalog has no ${one.text("service")}.`);
  const config = one.get("connection").get("connectionConfig");
  const url = fillTemplate(
    provider,
    provider.health.url,
    Object.fromEntries(config.keys().map((name) => [name, config.text(name)])),
  );
  const reply = await fetch(throughGateway(gateway, url ?? ""), {
    method: provider.health.method,
    headers: { ...provider.health.headers, authorization: `Bearer ${one.text("access_token")}` },
  });
  const body = parseJson(await reply.text());
  const { ok_path } = provider.health;
  expect({
    service: provider.id,
    status: reply.status,
    ok: ok_path === undefined || body.get(ok_path).value,
  }).toEqual({
    service: provider.id,
    status: 200,
    ok: true,
  });
}

/** Returns the path of the program. The script in `.bin` would be one more process. */
function denoProgram(): string {
  const library = process.platform === "linux" ? "-glibc" : "";
  const name = `@deno/${process.platform}-${process.arch}${library}/package.json`;
  return join(
    dirname(createRequire(import.meta.url).resolve(name)),
    process.platform === "win32" ? "deno.exe" : "deno",
  );
}

async function bundleForDeno(port: string): Promise<{ command: string; args: string[] }> {
  const directory = temporaryDirectory();
  const outfile = join(directory, "main.mjs");
  await build({
    entryPoints: [PROGRAM],
    outfile,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  // Deno would otherwise look for a configuration in the folders above.
  writeFileSync(join(directory, "deno.json"), "{}");
  return {
    command: denoProgram(),
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-lock",
      "--no-npm",
      "--no-remote",
      `--allow-net=localhost:${port}`,
      outfile,
    ],
  };
}

async function runProgram(command: string, args: readonly string[], input: unknown): Promise<Json> {
  const home = temporaryDirectory();
  const child = spawn(command, args, {
    cwd: home,
    env: { HOME: home, DENO_DIR: join(home, "deno"), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify(input));
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  await once(child, "close");
  expect(child.exitCode).toBe(0);
  return parseJson(stdout);
}

/**
 * Follows docs/moving-from-base44.md: runs its `sh` blocks in order, in the project of an app, with
 * the unmodified public command line. The server is real, the services are simulated.
 */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { clientSecretOf, simulatedClientId } from "@holdfast/simulator";
import { expect, it } from "vitest";
import { BASE44, base44Environment } from "./support/base44-cli.ts";
import { COMPILE_CACHE, LAUNCHER } from "./support/holdfast.ts";
import { prepareSite, signIn, startSimulated, type Site } from "./support/server.ts";

const GUIDE = readFileSync(fileURLToPath(new URL("../docs/moving-from-base44.md", import.meta.url)), "utf8");

/** The project of an app as it is in a repository. */
const PROJECT = {
  "base44/config.jsonc": `{ "name": "Shop" }`,
  "base44/connectors/slack.jsonc": `{ "type": "slack", "scopes": ["chat:write"] }`,
  "base44/functions/notify/function.jsonc": `{ "name": "notify", "entry": "entry.ts" }`,
  "base44/functions/notify/entry.ts": `
    import { createClientFromRequest } from "npm:@base44/sdk@0.8.31";
    import { greeting } from "../../shared/greeting.ts";
    Deno.serve(async (req) => {
      const { text } = await req.json();
      const base44 = createClientFromRequest(req);
      const { accessToken } = await base44.asServiceRole.connectors.getConnection("slack");
      const reply = await fetch("https://slack.com/api/chat.postMessage", {
        method: "POST",
        headers: { Authorization: \`Bearer \${accessToken}\`, "Content-Type": "application/json" },
        body: JSON.stringify({ channel: Deno.env.get("SLACK_CHANNEL"), text: greeting(text) }),
      });
      const { ok, channel } = await reply.json();
      console.log("posted", ok);
      return Response.json({ ok, channel });
    });`,
  "base44/shared/greeting.ts": "export const greeting = (text: string) => `Hello: ${text}`;\n",
  ".env.production": "SLACK_CHANNEL=C0SIMGENER\n",
};

it("leads from the repository of an app to its first working function, command by command", async () => {
  const simulator = await startSimulated();
  const site = await prepareSite(simulator.url);
  const server = await site.start({ HOLDFAST_ISSUER_LOOPBACK: "allow" });
  const builder = await signIn(site, server.ready.text("setup_url"));
  const shell = openShell(site);
  const [create, point, deploy, client, connect, call, users, ...more] = blocksOf(GUIDE);
  expect(more).toEqual([]);

  const created = await shell.run(create);
  shell.replace("YOUR_APP_ID", /app_[a-z0-9]{20}/.exec(created)?.[0] ?? "");
  shell.replace("YOUR_API_KEY", /b44k_[\w-]+/.exec(created)?.[0] ?? "");
  shell.replace("http://localhost:4180", site.server_url);
  shell.always(point);
  expect(await shell.run(deploy)).toMatch(/notify/);

  const client_id = simulatedClientId([]);
  shell.replace("YOUR_CLIENT_ID", client_id);
  await shell.run(client, clientSecretOf(client_id));
  const link = linkIn(await shell.run(connect));
  await builder.connect(link);

  const called = await shell.run(call);
  expect(called).toContain(`{"ok":true,"channel":"C0SIMGENER"}`);
  expect(called).toContain("posted true");
  shell.replace("https://login.example.com", `${simulator.url}/_users`);
  expect(await shell.run(users)).toContain("_users");
});

/** Returns the first address in the text, which is bare or in a terminal's link. */
function linkIn(text: string): string {
  const link = /https?:\/\/[\w.:/?=&%-]+/.exec(text)?.[0];
  if (link === undefined) throw new Error(`No link: ${text}`);
  return link;
}

/** Returns the contents of the guide's \`\`\`sh blocks, in order. */
function blocksOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
}

interface Shell {
  /** Replaces a placeholder in the blocks that follow. */
  replace(placeholder: string, value: string): void;
  /** Runs these lines before each block that follows. */
  always(block: string | undefined): void;
  /** Runs a block in the project. Returns its output. @throws Error if a command fails */
  run(block: string | undefined, stdin?: string): Promise<string>;
}

function openShell(site: Site): Shell {
  const project = join(site.home, "project");
  for (const [path, content] of Object.entries(PROJECT)) writeIn(project, path, content);
  const bin = join(site.home, "bin");
  program(bin, "holdfast", `exec '${process.execPath}' '${LAUNCHER}' "$@"`);
  program(bin, "npx", `shift; exec '${process.execPath}' '${BASE44}' "$@"`);
  const env = base44Environment({ server_url: site.server_url, home: site.home });
  const variables = {
    HOLDFAST_DATA_DIR: site.data_dir,
    HOLDFAST_ISSUER_LOOPBACK: "allow",
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  };
  const replacements = new Map<string, string>();
  let before = "";
  const filled = (block: string): string =>
    [...replacements].reduce((text, [placeholder, value]) => text.replaceAll(placeholder, value), block);
  return {
    replace: (placeholder, value) => void replacements.set(placeholder, value),
    always: (block = "") => void (before += filled(block)),
    async run(block = "", stdin = "") {
      const child = promisify(execFile)("bash", ["-euo", "pipefail", "-c", `${before}\n${filled(block)}`], {
        cwd: project,
        env: { ...env, ...variables, PATH: `${bin}:${env["PATH"]}` },
      });
      child.child.stdin?.end(stdin);
      const { stdout, stderr } = await child;
      return stdout + stderr;
    },
  };
}

function writeIn(folder: string, path: string, content: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

function program(folder: string, name: string, line: string): void {
  writeIn(folder, name, `#!/bin/sh\n${line}\n`);
  chmodSync(join(folder, name), 0o755);
}

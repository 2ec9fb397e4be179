import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { startServer } from "./support/server.ts";

/**
 * Returns the path of the program. The script in `.bin` would need Node's permissions and one more
 * process.
 */
function denoProgram(): string {
  const library = process.platform === "linux" ? "-glibc" : "";
  const name = `@deno/${process.platform}-${process.arch}${library}/package.json`;
  const folder = dirname(createRequire(import.meta.url).resolve(name));
  return join(folder, process.platform === "win32" ? "deno.exe" : "deno");
}

const sdk = new URL("../src/index.ts", import.meta.url).href;
const script = `
  import { createClientFromRequest, HoldfastError } from ${JSON.stringify(sdk)};
  const headers = JSON.parse(Deno.args[0]);
  const { connectors } = createClientFromRequest(new Request("http://function.example/", { headers })).asServiceRole;
  const { accessToken, connectionConfig } = await connectors.getConnection("jira", { rejected: "old" });
  const refused = await connectors.getConnection("slack").catch((error) => error);
  console.log(JSON.stringify({ accessToken, connectionConfig, refused, known: refused instanceof HoldfastError }));
`;

it("runs unmodified in Deno, with no permission but to reach its server", async () => {
  const server = await startServer(({ url }) =>
    url.endsWith("/jira")
      ? { body: { access_token: "at-1", connection_config: { subdomain: "acme" } } }
      : { status: 404, body: { message: "Slack is not connected", code: "not_connected" } },
  );
  // A separate folder: Deno would otherwise pick up the workspace around it.
  const folder = await mkdtemp(join(tmpdir(), "holdfast-sdk-deno-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "main.ts"), script);

  const headers = {
    "Base44-App-Id": "app-1",
    "Base44-Api-Url": server.url,
    "Base44-Service-Authorization": "Bearer s1",
  };
  const flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--cached-only", "--no-npm", "--no-remote"];
  const { stdout } = await promisify(execFile)(
    denoProgram(),
    ["run", ...flags, `--allow-net=127.0.0.1:${server.port}`, "main.ts", JSON.stringify(headers)],
    { cwd: folder, env: { HOME: folder, DENO_DIR: join(folder, "cache"), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" } },
  );

  expect(JSON.parse(stdout)).toMatchObject({
    accessToken: "at-1",
    connectionConfig: { subdomain: "acme" },
    refused: { name: "HoldfastError", status: 404, code: "not_connected", message: "Slack is not connected" },
    known: true,
  });
  expect(server.seen[0]?.headers).toMatchObject({ authorization: "Bearer s1", "x-app-id": "app-1" });
});

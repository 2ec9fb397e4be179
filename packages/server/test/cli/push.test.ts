/** Commands on the server's machine open the installation once, for all of their calls. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import { openInstallation } from "../../src/installation.ts";
import { startTestServer } from "../support/server.ts";

vi.mock("../../src/installation.ts", { spy: true });

const FILES = 20;

/** Runs a command in this process. Returns its exit code and its JSON document. */
async function run(args: readonly string[]): Promise<readonly [exit_code: number, document: unknown]> {
  let text = "";
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    const exit_code = await main([...args, "--json"]);
    return [exit_code, JSON.parse(text)];
  } finally {
    process.exitCode = undefined;
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

const openings = (): number => vi.mocked(openInstallation).mock.calls.filter(([, mode]) => mode === "command").length;

it("opens the installation once to push 20 files, and leaves an audit line for each", async () => {
  const { app, config, installation, setClient } = await startTestServer();
  const services = installation.catalog.all().filter(({ config_fields }) => config_fields.length === 0);
  const types = services.slice(0, FILES).map(({ id }) => id);
  const home = mkdtempSync(join(tmpdir(), "holdfast-push-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const directory = join(home, "connectors");
  mkdirSync(directory);
  for (const type of types) {
    await setClient(type);
    writeFileSync(join(directory, `${type}.jsonc`), JSON.stringify({ type, scopes: [] }));
  }

  const of = ["--app", app.app_id, "--data-dir", config.data_dir];
  const [exit_code, document] = await run(["connectors", "push", "--dir", directory, "--yes", ...of]);
  expect(document).toMatchObject({
    results: types.toSorted().map((type) => ({ type, action: "needs_oauth", outcome: "open" })),
  });
  expect([exit_code, openings()]).toEqual([1, 1]);

  const everything = { app_id: app.app_id, workspace_ids: null, installation: false, since: null, until: null };
  const { events } = await installation.audit.export({ ...everything, cursor: null });
  const pushed = events.filter(({ actor, action }) => actor === "command" && action === "connector.initiate");
  expect(pushed.map(({ target }) => String(target)).toSorted()).toEqual(types.toSorted());
});

/**
 * `holdfast completion`: the shell offers exactly the commands, options and services that exist.
 */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { holdfast, LAUNCHER } from "./support/holdfast.ts";
import { temporaryDirectory } from "./support/temporary.ts";

/** Prints every module that is loaded to stderr. */
const RECORDER = `data:text/javascript,${encodeURIComponent(`import { registerHooks } from "node:module";
registerHooks({ load: (url, context, next) => { process.stderr.write(url + "\\n"); return next(url, context); } });`)}`;

/** Returns bash's completions for a line whose last word is being typed. */
function completionsOf(script: string, line: string): readonly string[] {
  const words = line.split(" ");
  const program = `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length - 1}
_holdfast
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-c", program], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((word) => word !== "");
}

it("completes commands, options and service names in bash, even after options", async () => {
  const { stdout: script, exit_code } = await holdfast(["completion", "bash"], { home: temporaryDirectory() });
  expect(exit_code).toBe(0);
  expect(completionsOf(script, "holdfast conn")).toEqual(["connectors"]);
  expect(completionsOf(script, "holdfast connectors pu")).toEqual(["pull", "push"]);
  expect(completionsOf(script, "holdfast connectors push --y")).toEqual(["--yes"]);
  expect(completionsOf(script, "holdfast connectors initiate goog")).toContain("googlecalendar");
  expect(completionsOf(script, "holdfast connectors initiate --app app_1 --sc")).toEqual(["--scopes"]);
  expect(completionsOf(script, "holdfast providers show slac")).toEqual(["slack", "slackbot"]);
  expect(completionsOf(script, "holdfast apps list slac")).toEqual([]);
  expect(completionsOf(script, "holdfast members in")).toEqual(["invite", "invitations"]);
  expect(completionsOf(script, "holdfast api-keys ")).toEqual(["create", "list", "revoke", "--help"]);
  expect(completionsOf(script, "holdfast audit export --s")).toEqual(["--server", "--since"]);
});

it("generates scripts for zsh and fish from the same table, and refuses other shells", async () => {
  const home = temporaryDirectory();
  const [zsh, fish, other] = await Promise.all(
    ["zsh", "fish", "powershell"].map((shell) => holdfast(["completion", shell], { home })),
  );
  expect(zsh?.stdout).toMatch(/^#compdef holdfast\n/);
  expect(zsh?.stdout).toContain("'push:make the app");
  expect(fish?.stdout).toContain(`-n 'test (__holdfast_place) = "connectors push"' -a '--yes'`);
  expect([other?.exit_code, other?.stderr]).toEqual([2, expect.stringContaining("bash, zsh and fish") as unknown]);
});

/** Loading the server would delay each of these commands by a second. */
it("shows help, version and completion without loading the server", () => {
  const heavy = /node_modules\/(?:better-sqlite3|fastify|pg|pino|kysely|better-auth|undici|@fastify\/\w+)\//;
  for (const args of [["--help"], ["--version"], ["connectors", "push", "--help"], ["completion", "fish"]]) {
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", RECORDER, LAUNCHER, ...args], {
      encoding: "utf8",
      cwd: temporaryDirectory(),
      env: {},
    });
    expect([args, status, stdout === ""]).toEqual([args, 0, false]);
    expect(stderr).toContain("/commander/");
    expect(stderr.split("\n").filter((line) => heavy.test(line))).toEqual([]);
  }
});

/**
 * `holdfast audit export`: the audit trail as JSON lines, oldest first. Reads it page by page, so
 * that memory does not grow with its length. On the server's machine it is the whole trail. From
 * another machine it is the part that the caller is allowed to read.
 *
 * A file gets its name only when it is complete, so a partial file never looks complete. Times in
 * the lines are ms since the epoch. `--since` is inclusive, `--until` is not.
 */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { asAppId, asWorkspaceId } from "../../core/ids.ts";
import type { Instant } from "../../core/types.ts";
import { resolveApp } from "../remote/app.ts";
import { withInstallation, type LocalFlags } from "../remote/local.ts";
import { localManagement } from "../remote/local-management.ts";
import type { Remote } from "../remote/remote.ts";
import { remoteManagement } from "../remote/remote-management.ts";
import { resolveTarget, withTarget, type TargetFlags } from "../remote/target.ts";
import { createOutput } from "../terminal/output.ts";
import { timeOf } from "../terminal/time.ts";

interface Range {
  readonly app?: string;
  readonly workspace?: string;
  readonly since?: Instant;
  readonly until?: Instant;
}

type Flags = TargetFlags & Range & { readonly json?: boolean; readonly out?: string };
/** Writes one page. */
type Write = (lines: string) => Promise<void>;

export function auditCommands(program: Command): void {
  const audit = program
    .command("audit")
    .description("export the audit trail: who did what to which app and service, from where");
  withTarget(audit.command("export"))
    .description("print the audit trail as JSON lines, oldest first (from another machine: admins only)")
    .option("--app <app>", "only this app (id or name)")
    .option("--workspace <id>", "only this workspace and its apps")
    .option("--since <time>", "from this time, such as 2026-11-23T12:00:00Z or 7d (ago)", parserOf("--since"))
    .option("--until <time>", "before this time", parserOf("--until"))
    .option("--out <file>", "write to a file instead of standard output")
    .action(exportAudit);
}

async function exportAudit(flags: Flags): Promise<void> {
  const target = resolveTarget(flags);
  const pages = (write: Write): Promise<void> =>
    target.kind === "local" ? localPages(target.flags, flags, write) : remotePages(target.remote, flags, write);
  const output = createOutput(flags.json === true);
  if (flags.out !== undefined) {
    const path = resolve(flags.out);
    const events = await toFile(path, pages);
    return output.result({ path, events }, `Wrote ${events} events to ${path}.`);
  }
  if (!output.json) return pages(print);
  let lines = "";
  await pages((more) => Promise.resolve(void (lines += more)));
  output.result({ events: linesOf(lines).map((line): unknown => JSON.parse(line)) }, "");
}

async function remotePages(
  remote: Remote,
  { app: named, workspace, since, until }: Range,
  write: Write,
): Promise<void> {
  const app = named === undefined ? undefined : await resolveApp(remoteManagement(remote), named);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ app, workspace, since, until }))
    if (value !== undefined) query.set(name, String(value));
  for (;;) {
    const { lines, next } = await remote.page({ method: "GET", path: `/api/management/audit?${query.toString()}` });
    await write(lines);
    if (next === null) return;
    query.set("cursor", next);
  }
}

function localPages(flags: LocalFlags, { app, workspace, since, until }: Range, write: Write): Promise<void> {
  return withInstallation(flags, async (installation) => {
    const { audit, apps, workspaces } = installation;
    const { auditLine } = await import("../../service/audit.ts");
    const app_id =
      app === undefined ? null : (await apps.get(asAppId(await resolveApp(localManagement(installation), app)))).id;
    const named = workspace === undefined ? null : (await workspaces.get(asWorkspaceId(workspace))).id;
    let cursor: string | null = null;
    do {
      const page = await audit.export({
        app_id,
        workspace_ids: named === null ? null : [named],
        installation: app_id === null && named === null,
        since: since ?? null,
        until: until ?? null,
        cursor,
      });
      await write(page.events.map(auditLine).join(""));
      cursor = page.next;
    } while (cursor !== null);
  });
}

/**
 * Writes the pages to a file that only its owner can read, because it contains addresses and names.
 * Returns the number of events.
 */
async function toFile(path: string, pages: (write: Write) => Promise<void>): Promise<number> {
  const part = `${path}.part`;
  let count = 0;
  try {
    const file = openSync(part, "w", 0o600);
    try {
      await pages((lines) => {
        writeSync(file, lines);
        count += linesOf(lines).length;
        return Promise.resolve();
      });
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
    return count;
  } catch (error) {
    rmSync(part, { force: true });
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    throw new CodedError("usage", { message: `${path} cannot be written: ${error.message}`, cause: error });
  }
}

const linesOf = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");

/** Waits for a slow reader, so that the process does not buffer the whole trail. */
const print: Write = (lines) =>
  new Promise((resolved) => {
    process.stdout.write(lines, () => {
      resolved();
    });
  });

const parserOf =
  (flag: string) =>
  (text: string): Instant =>
    timeOf(flag, text, systemClock.now());

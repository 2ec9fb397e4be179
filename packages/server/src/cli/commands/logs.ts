/**
 * `holdfast logs [FUNCTION] --app APP`: the output of functions, oldest first. On the server's
 * machine it reads the data. From another machine it calls the server. With --follow it continues
 * until it is stopped, and shows the records of all nodes.
 */
import { Option, type Command } from "commander";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { functionNotFound } from "../../core/functions/functions.ts";
import { asAppId } from "../../core/ids.ts";
import { plus, type Instant } from "../../core/types.ts";
import { visibleText } from "../../core/visible-text.ts";
import { resolveApp } from "../remote/app.ts";
import { withInstallation, type LocalFlags } from "../remote/local.ts";
import { localManagement } from "../remote/local-management.ts";
import type { Reply } from "../remote/reply.ts";
import type { Remote } from "../remote/remote.ts";
import { remoteManagement } from "../remote/remote-management.ts";
import { resolveTarget, withApp, type TargetFlags } from "../remote/target.ts";
import { createOutput } from "../terminal/output.ts";
import { timeOf } from "../terminal/time.ts";
import { wait } from "../terminal/wait.ts";

type LogRecord = Reply<"logs">["records"][number];
type Level = "debug" | "info" | "warning" | "error";

interface Flags extends TargetFlags {
  readonly app: string;
  readonly json?: boolean;
  readonly follow?: boolean;
  readonly since?: string;
  readonly level?: Level;
  readonly limit: string;
}

interface Query {
  readonly function_name: string | null;
  readonly since: Instant | null;
  readonly level: Level | null;
  readonly count: number;
}

/** Returns the latest records of a query, oldest first. */
type Read = (query: Query) => Promise<readonly LogRecord[]>;

const LEVELS: readonly Level[] = ["debug", "info", "warning", "error"];
const FOLLOW_EVERY_MS = 2_000;
/** Records are stored at most this much later than their time, so each poll reads this far back. */
const LATE_MS = 10_000;
/** Records of one poll while following. The server sends no more. */
const FOLLOW_COUNT = 500;
const MOST_RECORDS = 500;

export function logCommands(program: Command): void {
  withApp(program.command("logs [function]"))
    .description("print the output and errors of an app's functions")
    .option("-f, --follow", "print new records until stopped")
    .option("--since <time>", "start time, such as 2026-11-23T12:00:00Z, or how long ago: 30m, 2h, 7d")
    .addOption(new Option("--level <level>", "lowest level to print").choices(LEVELS))
    .option("-n, --limit <count>", `number of latest records, at most ${MOST_RECORDS}`, "100")
    .action(logs);
}

async function logs(function_name: string | undefined, flags: Flags): Promise<void> {
  const target = resolveTarget(flags);
  const query: Query = {
    function_name: function_name ?? null,
    since: flags.since === undefined ? null : timeOf("--since", flags.since, systemClock.now()),
    level: flags.level ?? null,
    count: countOf(flags.limit),
  };
  const show = (read: Read): Promise<void> =>
    flags.follow === true ? follow(read, query, flags) : once(read, query, flags);
  if (target.kind === "remote") {
    const { remote } = target;
    const app = await resolveApp(remoteManagement(remote), flags.app);
    return show((wanted) => readRemote(remote, app, wanted));
  }
  return withLocal(target.flags, flags.app, show);
}

async function once(read: Read, query: Query, { json }: Flags): Promise<void> {
  const records = await read(query);
  const empty = "No records. Call a function, or choose an earlier --since. Output is kept for two weeks.";
  createOutput(json === true).result({ records }, records.length === 0 ? empty : records.map(lineOf).join("\n"));
}

/** With --json, prints one JSON document per line, because the output never ends. */
async function follow(read: Read, query: Query, { json }: Flags): Promise<never> {
  let seen: ReadonlyMap<string, number> = new Map();
  let wanted = query;
  for (;;) {
    const records = await read(wanted);
    for (const record of records.filter(({ id }) => !seen.has(id)))
      process.stdout.write(`${json === true ? JSON.stringify(record) : lineOf(record)}\n`);
    const since = plus(systemClock.now(), -LATE_MS);
    const times = records.map(({ id, time }) => [id, Date.parse(time)] as const);
    seen = new Map([...seen, ...times].filter(([, time]) => time >= since));
    wanted = { ...query, since, count: FOLLOW_COUNT };
    await wait(FOLLOW_EVERY_MS);
  }
}

async function readRemote(remote: Remote, app: string, query: Query): Promise<readonly LogRecord[]> {
  const { function_name, since, level, count } = query;
  const parameters = new URLSearchParams({ limit: String(count), order: "desc" });
  if (function_name !== null) parameters.set("function", function_name);
  if (since !== null) parameters.set("since", String(since));
  if (level !== null) parameters.set("level", level);
  const path = `/api/management/apps/${encodeURIComponent(app)}/logs?${parameters.toString()}`;
  return (await remote.call({ method: "GET", path }, "logs")).records.toReversed();
}

function withLocal(flags: LocalFlags, app: string, show: (read: Read) => Promise<void>): Promise<void> {
  return withInstallation(flags, async (installation) => {
    const { apps, functionLogs } = installation;
    const { id: app_id } = await apps.get(asAppId(await resolveApp(localManagement(installation), app)));
    return show(async ({ function_name, since, level, count }) => {
      if (function_name !== null && !(await functionLogs.has(app_id, function_name)))
        throw functionNotFound(function_name);
      const records = await functionLogs.read({
        app_id,
        function_names: function_name === null ? null : [function_name],
        levels: level === null ? null : LEVELS.slice(LEVELS.indexOf(level)),
        since,
        until: null,
        order: "desc",
        count,
      });
      return records.map(({ app_id: _app, time, ...record }) => ({ ...record, time: iso(time) })).toReversed();
    });
  });
}

/** Returns a record for a terminal. Indents its further lines, so that none looks like a record. */
function lineOf({ time, level, function_name, request_id, message }: LogRecord): string {
  const at = time.slice(0, 19).replace("T", " ");
  const [first = "", ...rest] = visibleText(message).split("\n");
  const request = request_id === null ? "" : `  (${request_id})`;
  const head = `${at}  ${level.toUpperCase().padEnd(7)}  ${function_name}  ${first}${request}`;
  return [head, ...rest.map((line) => `    ${line}`)].map((line) => line.trimEnd()).join("\n");
}

const iso = (time: number): string => new Date(time).toISOString();

function countOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= MOST_RECORDS) return Number(text);
  throw new CodedError("usage", { message: `--limit takes a whole number from 1 to ${MOST_RECORDS}.` });
}

/**
 * Fetches packages and modules with Deno's own tools, locked with their integrity. Deno never sees
 * the function: it gets a module that only lists the function's remote imports.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { readGraph } from "./graph.ts";
import type { Fetched } from "./plugin.ts";

/** Types by specifier, as in `with { type: "json" }`. */
export type Remotes = ReadonlyMap<string, string | null>;

export interface FetchResult {
  /** Why a specifier cannot be fetched. Completes "The function imports X, which …". */
  readonly failures: ReadonlyMap<string, string>;
  readonly fetched: Fetched | null;
  readonly lock: string;
}

type Environment = Readonly<Record<string, string>>;

export interface Fetching {
  readonly deno: string;
  readonly environment: Environment;
  /** The only folder that Deno writes to, besides its cache. Does not exist yet. */
  readonly folder: string;
  /** How many files can still be fetched. Below zero after the first one too many. */
  left_files: number;
}

const LIST = "imports.ts";
const LOCK = "deno.lock";
const FLAGS = ["--no-config", "--allow-import", "--node-modules-dir=auto", `--lock=${LOCK}`];
/** A proxy that does not exist. Deno must report only what it has fetched. */
const OFFLINE = { HTTP_PROXY: "http://127.0.0.1:9", HTTPS_PROXY: "http://127.0.0.1:9" };
/** Deno's errors are shorter. */
const ERROR_LENGTH = 2_000;

export async function fetchRemotes(fetching: Fetching, remotes: Remotes): Promise<FetchResult> {
  await mkdir(fetching.folder);
  const failures = await failuresOf(fetching, remotes);
  if (failures.size > 0) return { failures, fetched: null, lock: "" };
  const { folder } = fetching;
  const report = await text(start(fetching, ["info", "--json", ...FLAGS, LIST], OFFLINE).stdout);
  const packages = join(folder, "node_modules");
  return {
    failures,
    fetched: {
      graph: readGraph(JSON.parse(report)),
      root: pathToFileURL(join(folder, LIST)).href,
      packages: await realpath(packages).catch(() => packages),
    },
    lock: await readFile(join(folder, LOCK), "utf8"),
  };
}

/** Fetches everything at once. If that fails, finds out which import it was. */
async function failuresOf(fetching: Fetching, remotes: Remotes): Promise<ReadonlyMap<string, string>> {
  const error = await fetchAll(fetching, remotes);
  if (error === null) return new Map();
  const named = [...remotes.keys()][lineOf(error) - 1];
  if (named !== undefined || fetching.left_files < 0) return new Map([[named ?? "", said(error)]]);
  const failures = new Map<string, string>();
  for (const [specifier, type] of remotes) {
    const own_error = await fetchAll(fetching, new Map([[specifier, type]]));
    if (own_error !== null) failures.set(specifier, said(own_error));
  }
  // Each alone works, and all of them together do not.
  const [first = ""] = remotes.keys();
  return failures.size > 0 ? failures : new Map([[first, said(error)]]);
}

/** Returns Deno's error, or null. */
async function fetchAll(fetching: Fetching, remotes: Remotes): Promise<string | null> {
  const lines = [...remotes].map(([specifier, type]) => {
    const attributes = type === null ? "" : ` with { type: ${JSON.stringify(type)} }`;
    return `import ${JSON.stringify(specifier)}${attributes};\n`;
  });
  await writeFile(join(fetching.folder, LIST), lines.join(""));
  const child = start(fetching, ["cache", "--no-check", ...FLAGS, LIST]);
  child.stdout.resume();
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  let error = "";
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith("Download ")) countFile(fetching, child, line);
    else if (line.startsWith("error: ") || error !== "") error = `${error}${line}\n`.slice(0, ERROR_LENGTH);
  }
  return (await code) === 0 ? null : error;
}

/** The server reads the line, and can say what the process waited for. */
function countFile(fetching: Fetching, child: { kill(signal: "SIGKILL"): boolean }, line: string): void {
  process.stderr.write(`${line}\n`);
  fetching.left_files -= 1;
  if (fetching.left_files < 0) child.kill("SIGKILL");
}

/** Returns the line of the list that an error names, or NaN. */
const lineOf = (error: string): number => Number(/\n {4}at file:\S+\/imports\.ts:(\d+):/.exec(error)?.[1]);

/** Returns Deno's error in one line, with the place if it is in a fetched module. */
function said(error: string): string {
  const [message = "", ...rest] = error.replace(/^error: /, "").split("\n");
  const [cause] = rest.flatMap((line) => /^ {4}0: (.+)$/.exec(line)?.[1] ?? []);
  const [place] = rest.flatMap((line) => /^ {4}at ((?!file:)\S+)$/.exec(line)?.[1] ?? []);
  const reason = cause?.replace(/^error sending request for url \(.*?\): /, "") ?? "";
  const parts = [message, reason, place === undefined ? "" : `at ${place}`].filter(Boolean);
  return `cannot be fetched: ${parts.join(" ")}`;
}

function start(
  { deno, environment, folder }: Fetching,
  command: readonly string[],
  changes: Environment = {},
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(deno, command, {
    cwd: folder,
    env: { ...environment, ...changes },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/**
 * Pages of docs/ that are made from code: `npm run generate` writes them, and errors-doc.test.ts fails while one is stale.
 * Sections and reasons are comments in the sources, so they are read from the text; values come from the code itself.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../packages/server/src/config.ts";
import { ERRORS, exitCodeOf, RETIRED, type ErrorCode } from "../packages/server/src/core/errors.ts";
import { withFaultsTable } from "./faults.ts";
import { generateProviderDocs } from "./generate-providers.ts";

const ROOT = join(import.meta.dirname, "..");
const CONFIG = "packages/server/src/config.ts";
const ERROR_TABLE = "packages/server/src/core/errors.ts";

export const PAGES: Readonly<Record<string, () => string>> = {
  "docs/errors.md": errorsPage,
  "docs/configuration.md": configurationPage,
  "CONTRIBUTING.md": () => withFaultsTable(read("CONTRIBUTING.md")),
  ...Object.fromEntries([...generateProviderDocs()].map(([path, text]) => [path, () => text])),
};

const isCode = (name: string): name is ErrorCode => Object.hasOwn(ERRORS, name);
const isLimit = (name: string): name is keyof typeof LIMITS => Object.hasOwn(LIMITS, name);

const ACTORS: Readonly<Record<string, string>> = {
  caller: "the code that sent the request",
  builder: "whoever builds the app and connects its accounts",
  operator: "whoever runs the server",
  provider: "the service behind the connection",
  nobody: "it passes by itself",
};

export function errorsPage(): string {
  const sections = sectionsOf(blockOf(read(ERROR_TABLE), "export const ERRORS = {"), /^ {2}([a-z_]+): row\(/);
  const head = ["code", "status", "exit", "again?", "who must act", "message"];
  const rowOf = (code: string): readonly string[] => {
    if (!isCode(code)) throw new Error(`${ERROR_TABLE}: ${code} is not in the table of errors.`);
    const { status, retryable, who_must_act, message } = ERRORS[code];
    const again = retryable ? "yes" : "no";
    return [`\`${code}\``, String(status), String(exitCodeOf(code)), again, who_must_act, plain(message)];
  };
  return page([
    "# Errors",
    generatedFrom(ERROR_TABLE),
    "Every error of the server and of its commands is in this table. Over HTTP it is a status and a body, whose `code` is what programs look at:",
    '    { "message": "…", "detail": "…", "code": "not_connected", "request_id": "req_…", "retryable": false, "extra_data": { "who_must_act": "builder", … } }',
    "`message` and `detail` are the same text. It may say more than the sentence here, and it never contains a credential. `extra_data` may hold `reason`, `reconnect_url` (the page on which to connect the account again) and `errors` (a list of `{ name, message }`, one for each wrong field). A `Retry-After` header, in seconds, goes with errors that have a time.",
    "Commands print the message and the code to stderr, or with `--json` one document `{ error: { code, message, who_must_act, retryable, errors? } }` to stdout, and end with the exit code of the table. Errors that only the client side knows (`network_error`, `invalid_response`, `unexpected_redirect`) are in the [SDK's README](../packages/sdk/README.md).",
    table(
      ["who must act", "means"],
      Object.entries(ACTORS).map(([actor, meaning]) => [actor, meaning]),
    ),
    ...sections.flatMap(({ title, names }) => [
      `## ${title}`,
      table(
        head,
        names.map(({ name }) => rowOf(name)),
      ),
    ]),
    "## Retired codes",
    RETIRED.length === 0
      ? "None. A code that goes is listed here and never used again."
      : RETIRED.map((code) => `- \`${code}\``).join("\n"),
  ]);
}

/** Names and flags are compared with the sources by errors-doc.test.ts; what they mean is said only here. */
export const SETTINGS: readonly { name: string; flag: string | null; default: string; meaning: string }[] = [
  {
    name: "HOLDFAST_DATA_DIR",
    flag: "--data-dir",
    default: "`./.holdfast`",
    meaning:
      "Where the database, `master.key` and the spill file live; with PostgreSQL only the spill file. One server each.",
  },
  {
    name: "HOLDFAST_DATABASE_URL",
    flag: "--database-url",
    default: "SQLite in the data directory",
    meaning:
      "`postgres://…` of the database that several nodes share. It needs `HOLDFAST_MASTER_KEY`. An address with a password is taken from the variable only: every user of a machine can read a process's arguments. Commands on a server's machine need the same two variables.",
  },
  { name: "HOLDFAST_HOST", flag: "--host", default: "`localhost`", meaning: "Address to listen on." },
  { name: "HOLDFAST_PORT", flag: "--port", default: "`4180`", meaning: "Port to listen on; 0 takes any free one." },
  {
    name: "HOLDFAST_PUBLIC_URL",
    flag: "--public-url",
    default: "`http://localhost:<port>`",
    meaning:
      "Origin under which browsers and providers reach the server: the one thing that decides redirect URIs and cookies. https, except on loopback; no path.",
  },
  {
    name: "HOLDFAST_FUNCTIONS",
    flag: "--functions",
    default: "none",
    meaning: "Directory of backend functions to run. Without it the server runs none.",
  },
  {
    name: "HOLDFAST_PROVIDERS",
    flag: "--providers",
    default: "none",
    meaning: "Directory of JSON files that define services beside the built-in ones ([schema](provider.schema.json)).",
  },
  {
    name: "HOLDFAST_PROVIDER_GATEWAY",
    flag: "--provider-gateway",
    default: "none",
    meaning: "Loopback origin of a simulator. Every request to a provider goes there instead.",
  },
  {
    name: "HOLDFAST_MASTER_KEY",
    flag: null,
    default: "the file `master.key`",
    meaning:
      "The master key itself (base64 of 32 bytes; several with commas, current first), when it comes from a secret store. Required with PostgreSQL, and the same on every node.",
  },
  {
    name: "HOLDFAST_LOG_LEVEL",
    flag: "--log-level",
    default: "`info`",
    meaning: "`debug`, `info`, `warn`, `error` or `silent`. Logs go to stderr, one JSON document a line.",
  },
  {
    name: "HOLDFAST_WEBHOOK_URL",
    flag: null,
    default: "none",
    meaning:
      "Where [events](webhooks.md) are sent: https, or http on this machine. Without it they are lines of the log only.",
  },
  {
    name: "HOLDFAST_WEBHOOK_SECRET",
    flag: null,
    default: "none",
    meaning:
      "What webhooks are signed with: `whsec_` and 24 to 64 bytes in base64. Two, separated by a space, while it is changed. Required with `HOLDFAST_WEBHOOK_URL`.",
  },
  {
    name: "HOLDFAST_WEBHOOK_EVENTS",
    flag: null,
    default: "all but `connection.refreshed`",
    meaning: "Which events are sent, with commas between.",
  },
  {
    name: "HOLDFAST_TRUSTED_PROXIES",
    flag: null,
    default: "none",
    meaning:
      "Addresses and networks of the proxies in front of the server, with commas between (`10.0.0.0/8,192.168.1.7`). Only from there is `X-Forwarded-For` believed; otherwise a client is known by the address of its connection. Limits and the audit trail go by it.",
  },
  {
    name: "HOLDFAST_AUDIT_RELEASE",
    flag: null,
    default: "`batched`",
    meaning:
      "`before`: the release of a token is written to the audit trail before the token is handed out, and without a trail there is none (`audit_unavailable`). `batched`: within half a second after it.",
  },
  {
    name: "HOLDFAST_DEFAULT_PLAN",
    flag: null,
    default: "`builder`",
    meaning:
      "The plan of new workspaces: `free`, `starter`, `builder`, `pro`, `elite` or `enterprise`. Connectors need `builder` or a higher one.",
  },
  {
    name: "HOLDFAST_SERVER_URL",
    flag: null,
    default: "the server of the stored login",
    meaning: "For commands, as their `--server`: the server that they talk to. https, except on loopback; no path.",
  },
  {
    name: "HOLDFAST_API_KEY",
    flag: null,
    default: "the stored login",
    meaning: "For commands: the API key (`b44k_…`) that they send to that server, as in CI.",
  },
  {
    name: "HOLDFAST_APP_ID",
    flag: null,
    default: "none",
    meaning: "For commands, as their `--app`: the app that they are about.",
  },
];

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/_ms$/, "ms"],
  [/_bytes$/, "bytes"],
  [/_mb$/, "MB"],
];

export function configurationPage(): string {
  const [limits] = sectionsOf(blockOf(read(CONFIG), "export const LIMITS = {"), /^ {2}([a-z_]+): /);
  const rows = (limits?.names ?? []).map(({ name, reason }): readonly string[] => {
    if (!isLimit(name)) throw new Error(`${CONFIG}: ${name} is not in the table of limits.`);
    const unit = UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? "";
    return [`\`HOLDFAST_${name.toUpperCase()}\``, String(LIMITS[name]), unit, reason];
  });
  return page([
    "# Configuration",
    generatedFrom(CONFIG),
    "Settings are flags of `holdfast serve` or `HOLDFAST_*` variables; the flag wins. The defaults are right for one machine. An unknown `HOLDFAST_*` variable stops the start, because a misspelt security setting must not be ignored in silence. Commands on the server's machine read the same variables, take `--data-dir`, and find the public URL in the data.",
    "## Settings",
    table(
      ["variable", "flag", "default", "meaning"],
      SETTINGS.map((setting) => [
        `\`${setting.name}\``,
        setting.flag === null ? "" : `\`${setting.flag}\``,
        setting.default,
        setting.meaning,
      ]),
    ),
    "The server does not start with `NODE_TLS_REJECT_UNAUTHORIZED=0`, or with an inspector in `NODE_OPTIONS`: both hand tokens to whoever asks. For a private certificate authority set `NODE_EXTRA_CA_CERTS`.",
    "## Limits",
    "Everything that could grow has a bound. Each is a whole number above 0; few installations need to change one. A reason stands beside the first of those that share it.",
    table(["variable", "default", "unit", "why"], rows),
  ]);
}

interface Named {
  readonly name: string;
  /** The doc comment right above it, or nothing. */
  readonly reason: string;
}

/** Entries of an object in source text, by the `// …` lines between them. */
function sectionsOf(block: string, entry: RegExp): readonly { title: string; names: readonly Named[] }[] {
  const sections: { title: string; names: Named[] }[] = [];
  let reason: string[] = [];
  for (const line of block.split("\n")) {
    const title = /^ {2}\/\/ (.+?)\.?$/.exec(line)?.[1];
    const comment = /^ {2,3}(?:\/\*\*|\*) (.*?)(?: \*\/)?$/.exec(line)?.[1];
    const name = entry.exec(line)?.[1];
    if (title !== undefined) sections.push({ title, names: [] });
    if (comment !== undefined) reason.push(comment);
    if (name === undefined) continue;
    if (sections.length === 0) sections.push({ title: "", names: [] });
    sections.at(-1)?.names.push({ name, reason: reason.join(" ").replaceAll(/ +/g, " ") });
    reason = [];
  }
  return sections;
}

/** From the line that opens an object to the one that closes it. */
function blockOf(source: string, opening: string): string {
  const from = source.indexOf(opening);
  const to = source.indexOf("\n} as const", from);
  if (from === -1 || to === -1) throw new Error(`"${opening}" is not where it was; adjust tools/generate.ts.`);
  return source.slice(from + opening.length, to);
}

function generatedFrom(path: string): string {
  return `<!-- Made from ${path} by \`npm run generate\`. Change it there. -->`;
}

/** Columns padded as the formatter does it, so that a generated page is a formatted one. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", String.raw`\|`)));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  const [first = [], ...rest] = cells;
  return [line(first), rule, ...rest.map(line)].join("\n");
}

/** Messages are plain text: what Markdown would read as emphasis or a tag is escaped. */
const plain = (text: string): string => text.replaceAll("__", String.raw`\_\_`).replaceAll("<", "&lt;");

const page = (parts: readonly string[]): string => `${parts.join("\n\n")}\n`;
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

if (import.meta.main) for (const [path, make] of Object.entries(PAGES)) writeFileSync(join(ROOT, path), make());

/**
 * The pages of docs/ that come from the code. `npm run generate` writes them, and
 * errors-doc.test.ts fails while one is stale. Sections and reasons are comments in the sources, so
 * they are read from the text. Values are imported.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../packages/server/src/core/limits.ts";
import { ERRORS, exitCodeOf, RETIRED, type ErrorCode } from "../packages/server/src/core/errors.ts";
import { faultsPage } from "./faults.ts";
import { generateProviderDocs } from "./generate-providers.ts";
import { generatedFrom, markdownPage, markdownTable } from "./markdown.ts";
import { read, ROOT } from "./root.ts";

const LIMIT_TABLE = "packages/server/src/core/limits.ts";
const FUNCTION_LIMIT_TABLE = "packages/server/src/core/functions/function-limits.ts";
const USER_LIMIT_TABLE = "packages/server/src/core/user-limits.ts";
const ERROR_TABLE = "packages/server/src/core/error-table.ts";

export const PAGES: Readonly<Record<string, () => string>> = {
  "docs/errors.md": errorsPage,
  "docs/configuration.md": configurationPage,
  "docs/faults.md": () => faultsPage(),
  ...Object.fromEntries([...generateProviderDocs()].map(([path, text]) => [path, () => text])),
};

const isCode = (name: string): name is ErrorCode => Object.hasOwn(ERRORS, name);
const isLimit = (name: string): name is keyof typeof LIMITS => Object.hasOwn(LIMITS, name);

const ACTORS: Readonly<Record<string, string>> = {
  caller: "the code that sent the request",
  builder: "the person who builds the app and connects its accounts",
  operator: "the person who runs the server",
  provider: "the service behind the connection",
  nobody: "no action is needed: it passes by itself",
};

export function errorsPage(): string {
  const sections = sectionsOf(blockOf(read(ERROR_TABLE), "export const ERRORS = {"), /^ {2}([a-z_]+): row\(/);
  const head = ["code", "status", "exit", "retry?", "who must act", "message"];
  const rowOf = (code: string): readonly string[] => {
    if (!isCode(code)) throw new Error(`${ERROR_TABLE}: ${code} is not in the table of errors.`);
    const { status, retryable, who_must_act, message } = ERRORS[code];
    return [
      `\`${code}\``,
      String(status),
      String(exitCodeOf(code)),
      retryable ? "yes" : "no",
      who_must_act,
      plain(message),
    ];
  };
  return markdownPage([
    "# Errors",
    generatedFrom(ERROR_TABLE),
    "These are all errors of the server and of its commands. Over HTTP an error is a status and a body. Programs read its `code`:",
    '    { "message": "…", "detail": "…", "code": "not_connected", "request_id": "req_…", "retryable": false, "extra_data": { "who_must_act": "builder", … } }',
    "`message` and `detail` are the same text. It can be more specific than the sentence here, and never contains a credential. `extra_data` can also hold `reason`, `reconnect_url` (the page that connects the account again) and `errors` (a list of `{ name, message }`, one for each invalid field). Where the wait is known, the reply has a `Retry-After` header in seconds.",
    "Commands print the message and the code to stderr. With `--json` they print one document `{ error: { code, message, who_must_act, retryable, errors? } }` to stdout. They exit with the code in the table. Errors that occur only in the client (`network_error`, `invalid_response`, `unexpected_redirect`) are in the [SDK's README](../packages/sdk/README.md).",
    markdownTable(
      ["who must act", "means"],
      Object.entries(ACTORS).map(([actor, meaning]) => [actor, meaning]),
    ),
    ...sections.flatMap(({ title, names }) => [
      `## ${title}`,
      markdownTable(
        head,
        names.map(({ name }) => rowOf(name)),
      ),
    ]),
    "## Retired codes",
    RETIRED.length === 0
      ? "None. A code that is removed is listed here and never reused."
      : RETIRED.map((code) => `- \`${code}\``).join("\n"),
  ]);
}

/** Meanings exist only here. errors-doc.test.ts compares names and flags with the sources. */
export const SETTINGS: readonly { name: string; flag: string | null; default: string; meaning: string }[] = [
  {
    name: "HOLDFAST_DATA_DIR",
    flag: "--data-dir",
    default: "`./.holdfast`",
    meaning:
      "Directory of the database, `master.key` and the spill file. With PostgreSQL it holds only the spill file. Each server needs its own.",
  },
  {
    name: "HOLDFAST_DATABASE_URL",
    flag: "--database-url",
    default: "SQLite in the data directory",
    meaning:
      "`postgres://…` URL of the database that several nodes share. Requires `HOLDFAST_MASTER_KEY`. A URL with a password is accepted only in the variable, because every user of a machine can read a process's arguments. Commands on a server's machine need the same two variables.",
  },
  { name: "HOLDFAST_HOST", flag: "--host", default: "`localhost`", meaning: "Address to listen on." },
  { name: "HOLDFAST_PORT", flag: "--port", default: "`4180`", meaning: "Port to listen on. 0 picks a free one." },
  {
    name: "HOLDFAST_PUBLIC_URL",
    flag: "--public-url",
    default: "`http://localhost:<port>`",
    meaning:
      "Origin at which browsers and providers reach the server. Redirect URIs and cookies depend on it alone. https, except on loopback. No path.",
  },
  {
    name: "HOLDFAST_FUNCTIONS",
    flag: "--functions",
    default: "none",
    meaning:
      "Directory of backend functions that the server runs live for one app, in place of its deployed functions. The next call sees a changed file.",
  },
  {
    name: "HOLDFAST_FUNCTIONS_APP",
    flag: "--functions-app",
    default: "none",
    meaning: "Id or name of the app that owns the functions in `HOLDFAST_FUNCTIONS`. Required with that setting.",
  },
  {
    name: "HOLDFAST_FUNCTIONS_URL",
    flag: "--functions-url",
    default: "none",
    meaning:
      "Origin that serves the functions of each app and nothing else: `https://{app}.fn.example.com`. `{app}` stands for the app's id, with `-` instead of `_`. Requires a DNS entry and a certificate for all names (`*.fn.example.com`). Without `{app}` all functions share one origin, so the installation can have only one workspace. The API's origin serves functions too.",
  },
  {
    name: "HOLDFAST_FUNCTIONS_ISOLATION",
    flag: "--functions-isolation",
    default: "`bubblewrap`",
    meaning:
      "`bubblewrap`: each function runs in a Linux sandbox, and the server does not start if the sandbox does not work. `none`: a function can read everything that the server can read.",
  },
  {
    name: "HOLDFAST_FUNCTIONS_UIDS",
    flag: null,
    default: "`1900000000-1900065535`",
    meaning: "Host uids for the processes of functions, one for each app. Used only if the server runs as root.",
  },
  {
    name: "HOLDFAST_FUNCTIONS_EGRESS_ALLOW",
    flag: null,
    default: "none",
    meaning: "Targets that functions can reach although their addresses are private: `host:port`, separated by commas.",
  },
  {
    name: "HOLDFAST_FUNCTIONS_EGRESS_PROXY",
    flag: null,
    default: "none",
    meaning:
      "http URL of a proxy to which the requests of functions and of their imports go, except for the targets above. Names with private addresses are still refused.",
  },
  {
    name: "HOLDFAST_NPM_REGISTRY",
    flag: null,
    default: "`https://registry.npmjs.org/`",
    meaning: "Registry of the npm packages that functions import. Its address can be private.",
  },
  {
    name: "HOLDFAST_JSR_URL",
    flag: null,
    default: "`https://jsr.io/`",
    meaning: "Registry of the JSR packages that functions import. Its address can be private.",
  },
  {
    name: "HOLDFAST_SDK_VERSIONS",
    flag: null,
    default: "none",
    meaning:
      "Exact versions of @base44/sdk, separated by commas. A function that names one of them gets it from npm. Every other import of the SDK gets the version that this server ships.",
  },
  {
    name: "HOLDFAST_PROVIDERS",
    flag: "--providers",
    default: "none",
    meaning:
      "Directory of JSON files that define services in addition to the built-in ones ([schema](provider.schema.json)).",
  },
  {
    name: "HOLDFAST_PROVIDER_GATEWAY",
    flag: "--provider-gateway",
    default: "none",
    meaning: "Loopback origin of a simulator that receives every request to a provider.",
  },
  {
    name: "HOLDFAST_MASTER_KEY",
    flag: null,
    default: "the file `master.key`",
    meaning:
      "The master key (32 bytes in base64), if it comes from a secret store. Several keys are separated by commas, the current one first. Required with PostgreSQL, and the same on every node.",
  },
  {
    name: "HOLDFAST_LOG_LEVEL",
    flag: "--log-level",
    default: "`info`",
    meaning: "`debug`, `info`, `warn`, `error` or `silent`. Logs go to stderr, one JSON document per line.",
  },
  {
    name: "HOLDFAST_WEBHOOK_URL",
    flag: null,
    default: "none",
    meaning:
      "URL that [events](webhooks.md) are sent to: https, or http on this machine. Without it events are only logged.",
  },
  {
    name: "HOLDFAST_WEBHOOK_SECRET",
    flag: null,
    default: "none",
    meaning:
      "Secret that signs webhooks: `whsec_` and 24 to 64 bytes in base64. Two, separated by a space, while you rotate it. Required with `HOLDFAST_WEBHOOK_URL`.",
  },
  {
    name: "HOLDFAST_WEBHOOK_EVENTS",
    flag: null,
    default: "all but `connection.refreshed`",
    meaning: "Events to send, separated by commas.",
  },
  {
    name: "HOLDFAST_TRUSTED_PROXIES",
    flag: null,
    default: "none",
    meaning:
      "Addresses and networks of the proxies in front of the server, separated by commas (`10.0.0.0/8,192.168.1.7`). `X-Forwarded-For` is trusted only from these. Otherwise the client's address is the one of its connection. Rate limits and the audit trail use that address.",
  },
  {
    name: "HOLDFAST_AUDIT_RELEASE",
    flag: null,
    default: "`batched`",
    meaning:
      "`before`: a token is returned only after its release is in the audit trail. If the trail cannot be written, the request fails (`audit_unavailable`). `batched`: the release is recorded within half a second.",
  },
  {
    name: "HOLDFAST_ISSUER_LOOPBACK",
    flag: null,
    default: "`refuse`",
    meaning:
      "`allow`: issuers of app users can be on this machine, and can use http. For development and tests only, because every builder can then send requests to services on this machine.",
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
    meaning: "For commands, like `--server`: the server to talk to. https, except on loopback. No path.",
  },
  {
    name: "HOLDFAST_API_KEY",
    flag: null,
    default: "the stored login",
    meaning: "For commands, for example in CI: the API key (`b44k_…`) to send to that server.",
  },
  {
    name: "HOLDFAST_APP_ID",
    flag: null,
    default: "none",
    meaning: "For commands, like `--app`: the app to work on.",
  },
];

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/_ms$/, "ms"],
  [/_bytes$/, "bytes"],
  [/_mb$/, "MB"],
];

export function configurationPage(): string {
  const tables = [
    blockOf(read(LIMIT_TABLE), "export const LIMITS = {"),
    blockOf(read(FUNCTION_LIMIT_TABLE), "export const FUNCTION_LIMITS = {"),
    blockOf(read(USER_LIMIT_TABLE), "export const USER_LIMITS = {"),
  ];
  const [limits] = sectionsOf(tables.join("\n"), /^ {2}([a-z_]+): /);
  const rows = (limits?.names ?? []).map(({ name, reason }): readonly string[] => {
    if (!isLimit(name)) throw new Error(`${LIMIT_TABLE}: ${name} is not in the table of limits.`);
    const unit = UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? "";
    return [`\`HOLDFAST_${name.toUpperCase()}\``, String(LIMITS[name]), unit, reason];
  });
  return markdownPage([
    "# Configuration",
    generatedFrom(LIMIT_TABLE),
    "Settings are flags of `holdfast serve` or `HOLDFAST_*` variables. The flag wins. The defaults suit a single machine. The server refuses to start with an unknown `HOLDFAST_*` variable, because a misspelled security setting must not be ignored. Commands on the server's machine read the same variables, accept `--data-dir`, and read the public URL from the data.",
    "## Settings",
    markdownTable(
      ["variable", "flag", "default", "meaning"],
      SETTINGS.map((setting) => [
        `\`${setting.name}\``,
        setting.flag === null ? "" : `\`${setting.flag}\``,
        setting.default,
        setting.meaning,
      ]),
    ),
    "The server does not start with `NODE_TLS_REJECT_UNAUTHORIZED=0`, or with an inspector in `NODE_OPTIONS`. Either one exposes tokens. For a private certificate authority, such as that of a TLS proxy, set `NODE_EXTRA_CA_CERTS` to a PEM file. The server, functions and the fetching of their imports trust it besides the public ones.",
    "## Limits",
    "Everything that can grow has a limit. Each limit is an integer above 0. Few installations need to change one. Limits that share a reason show it at the first of them.",
    markdownTable(["variable", "default", "unit", "why"], rows),
  ]);
}

interface Named {
  readonly name: string;
  /** The doc comment directly above, or "". */
  readonly reason: string;
}

/**
 * Splits the entries of an object in source text into sections, at the `// …` lines between them.
 */
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

/** Returns the source text between the line that opens an object and the line that closes it. */
function blockOf(source: string, opening: string): string {
  const from = source.indexOf(opening);
  const to = source.indexOf("\n} as const", from);
  if (from === -1 || to === -1) throw new Error(`"${opening}" was not found. Adjust tools/generate.ts.`);
  return source.slice(from + opening.length, to);
}

/** Escapes the characters of a plain message that Markdown would read as emphasis or a tag. */
const plain = (text: string): string => text.replaceAll("__", String.raw`\_\_`).replaceAll("<", "&lt;");

if (import.meta.main) for (const [path, make] of Object.entries(PAGES)) writeFileSync(join(ROOT, path), make());

/**
 * The import directions of ARCHITECTURE.md, tried: for each layer and each thing that it might
 * import, one file with that import is linted under the repository's rules. oxlint ignores a
 * pattern that is written wrongly without a word, so a rule counts only when a planted import is
 * found, and when a permitted one is not.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const OXLINT = join(ROOT, "node_modules/oxlint/bin/oxlint");
const SRC = "packages/server/src";

/** What each layer may import of the others. Everything that is not listed is forbidden. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  providers: ["core"],
  net: ["core", "config"],
  wire: ["core"],
  oauth: ["core", "providers", "net", "config"],
  vault: ["core"],
  store: ["core", "config"],
  telemetry: ["core", "config"],
  service: ["core", "providers", "net", "oauth", "vault", "store", "telemetry", "config"],
  http: ["core", "wire", "providers", "service", "runner", "telemetry", "config"],
  runner: ["core", "service", "config"],
  cli: ["core", "wire", "providers", "vault", "store", "service", "telemetry", "config", "installation", "app"],
  config: ["core"],
  installation: ["core", "providers", "net", "oauth", "vault", "store", "service", "telemetry", "config"],
  app: "core wire providers net oauth vault store service http runner telemetry config installation".split(" "),
  main: ["cli"],
};
const ROOT_FILES = new Set(["config", "installation", "app", "main"]);

/** The only home of each package that has one. */
const HOMES: Readonly<Record<string, string>> = {
  fastify: "http/server.ts",
  "@fastify/cookie": "http/server.ts",
  undici: "net/transport.ts",
  oauth4webapi: "oauth/client.ts",
  "better-sqlite3": "store/sqlite.ts",
  pg: "store/postgres.ts",
  kysely: "store/operation.ts",
  "kysely/migration": "store/operation.ts",
  commander: "cli/main.ts",
  "@holdfast/simulator": "cli/commands/demo.ts",
  esbuild: "runner/bundle.ts",
  pino: "telemetry/log.ts",
  "better-auth/minimal": "service/accounts/library.ts",
};

interface Plant {
  readonly file: string;
  readonly specifier: string;
  readonly allowed: boolean;
}

/** A file deep in the layer and one at its top, since relative paths look different from there. */
function filesOf(layer: string): readonly { path: string; up: string }[] {
  if (ROOT_FILES.has(layer)) return [{ path: `${SRC}/${layer}.ts`, up: "./" }];
  return [
    { path: `${SRC}/${layer}/planted.ts`, up: "../" },
    { path: `${SRC}/${layer}/${layer === "http" ? "api" : "inner"}/planted.ts`, up: "../../" },
  ];
}

const targetOf = (layer: string): string => (ROOT_FILES.has(layer) ? `${layer}.ts` : `${layer}/anything.ts`);

const layers = Object.keys(MAY_IMPORT);
const between: readonly Plant[] = layers.flatMap((from) =>
  layers
    .filter((to) => to !== from)
    .flatMap((to) =>
      filesOf(from).map(({ path, up }) => ({
        file: path,
        specifier: `${up}${targetOf(to)}`,
        allowed: MAY_IMPORT[from]?.includes(to) ?? false,
      })),
    ),
);
const packages: readonly Plant[] = Object.entries(HOMES).flatMap(([specifier, home]) => [
  { file: `${SRC}/${home}`, specifier, allowed: true },
  ...layers
    .filter((layer) => layer !== home.split("/")[0])
    .map((layer) => ({ file: filesOf(layer)[0]?.path ?? "", specifier, allowed: false })),
]);
const others: readonly Plant[] = [
  { file: `${SRC}/oauth/account.ts`, specifier: "undici", allowed: false },
  { file: `${SRC}/store/store.ts`, specifier: "better-sqlite3", allowed: false },
  { file: `${SRC}/store/store.ts`, specifier: "pg", allowed: false },
  { file: `${SRC}/store/postgres-driver.ts`, specifier: "pg", allowed: true },
  { file: `${SRC}/store/postgres-driver.ts`, specifier: "../vault/seal.ts", allowed: false },
  { file: `${SRC}/service/accounts/accounts.ts`, specifier: "better-auth", allowed: false },
  // Exceptions for one package must not be exceptions for the rest.
  { file: `${SRC}/net/transport.ts`, specifier: "../store/store.ts", allowed: false },
  { file: `${SRC}/net/transport.ts`, specifier: "fastify", allowed: false },
  { file: `${SRC}/store/sqlite.ts`, specifier: "../vault/seal.ts", allowed: false },
  { file: `${SRC}/store/sqlite.ts`, specifier: "undici", allowed: false },
  { file: `${SRC}/service/accounts/library.ts`, specifier: "../http/server.ts", allowed: false },
  { file: `${SRC}/service/accounts/library.ts`, specifier: "kysely", allowed: false },
  { file: "packages/simulator/src/engine/server.ts", specifier: "holdfast", allowed: false },
  { file: "packages/simulator/src/engine/server.ts", specifier: "@holdfast/sdk", allowed: false },
  { file: "packages/simulator/src/engine/server.ts", specifier: "../../../server/src/core/ids.ts", allowed: false },
  { file: "packages/simulator/test/planted.ts", specifier: "../../server/src/core/ids.ts", allowed: false },
  { file: "packages/simulator/test/planted.ts", specifier: "../src/engine/server.ts", allowed: true },
  { file: "packages/simulator/src/engine/server.ts", specifier: "fastify", allowed: true },
  { file: "packages/sdk/src/client.ts", specifier: "axios", allowed: false },
  { file: "packages/sdk/src/client.ts", specifier: "node:crypto", allowed: false },
  { file: "packages/sdk/src/client.ts", specifier: "../../server/src/core/ids.ts", allowed: false },
  { file: "packages/sdk/src/client.ts", specifier: "./transport.ts", allowed: true },
];
const plants = [...between, ...packages, ...others];

let folder = "";
let found: ReadonlySet<string> = new Set();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-layers-"));
  const { overrides } = await configOf();
  // The import rules alone: the others would ask for types and for files that are not there.
  const imports = overrides.map(({ files, rules }) => ({ files, rules }));
  const config = JSON.stringify({ categories: { correctness: "off" }, overrides: imports });
  await writeFile(join(folder, ".oxlintrc.json"), config);
  for (const [file, list] of Map.groupBy(plants, (plant) => plant.file)) {
    await mkdir(join(folder, dirname(file)), { recursive: true });
    const lines = list.map(({ specifier }, index) => `import type { T${index} } from "${specifier}";\n`);
    await writeFile(join(folder, file), lines.join(""));
  }
  found = new Set(await lint(folder));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const keyOf = ({ file, specifier }: Pick<Plant, "file" | "specifier">): string => `${file} ${specifier}`;

describe("the import rules", () => {
  it("find every import that points the wrong way", () => {
    const missed = plants.filter((plant) => !plant.allowed && !found.has(keyOf(plant))).map(keyOf);
    expect(missed).toEqual([]);
  });

  it("leave the others alone", () => {
    const refused = plants.filter((plant) => plant.allowed && found.has(keyOf(plant))).map(keyOf);
    expect(refused).toEqual([]);
  });

  it("have no pattern that nothing planted here runs into", async () => {
    const { overrides } = await configOf();
    const idle = overrides.flatMap((override) => override.regexes).filter((regex) => !isHit(regex));
    expect(idle).toEqual([]);
  });

  it("cover every folder and file of the server", async () => {
    const { globs } = await configOf();
    for (const layer of layers)
      expect(globs.some((glob) => glob.startsWith(`${SRC}/${layer}${ROOT_FILES.has(layer) ? ".ts" : "/"}`))).toBe(true);
  });
});

const isHit = (regex: string): boolean =>
  plants.some((plant) => !plant.allowed && new RegExp(regex).test(plant.specifier));

interface Override {
  readonly files: readonly string[];
  readonly rules: Readonly<Record<string, unknown>>;
  readonly regexes: readonly string[];
}

async function configOf(): Promise<{ overrides: readonly Override[]; globs: readonly string[] }> {
  const config: { overrides: Override[] } = JSON.parse(await readFile(join(ROOT, ".oxlintrc.json"), "utf8"));
  const overrides = config.overrides.map(({ files, rules }) => ({
    files,
    rules,
    regexes: [...JSON.stringify(rules).matchAll(/"regex":("(?:\\.|[^"\\])*")/g)].map(([, text = '""']) =>
      String(JSON.parse(text)),
    ),
  }));
  return { overrides, globs: overrides.flatMap(({ files }) => files) };
}

/** `file specifier` of each finding. */
async function lint(cwd: string): Promise<readonly string[]> {
  // oxlint ends with 1 when it finds something, which is what is wanted here.
  const { stdout } = await promisify(execFile)(process.execPath, [OXLINT, "-f", "unix", "."], {
    cwd,
    maxBuffer: 16_777_216,
  }).catch((error: unknown) => {
    if (isOutput(error)) return error;
    throw error;
  });
  const findings = [...stdout.matchAll(/^([^:\n]+):\d+:\d+: '([^']+)' import is restricted/gm)];
  return findings.map(([, file = "", specifier = ""]) => keyOf({ file, specifier }));
}

function isOutput(error: unknown): error is { stdout: string } {
  return typeof error === "object" && error !== null && "stdout" in error && typeof error.stdout === "string";
}

/**
 * Tries the import rules of layers.ts. Each layer and room gets a file with every import that it
 * might have, and the files are linted under the repository's rules. oxlint ignores a malformed
 * pattern without a word. So a rule counts only if it finds a planted import, and lets an allowed
 * one pass.
 */
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HOMES, importRules, LAYERS, ROOT_FILES, SRC } from "./layers.ts";
import { ROOT } from "./root.ts";
import { outputOf } from "./run.ts";

interface Plant {
  readonly file: string;
  readonly specifier: string;
  readonly is_allowed: boolean;
}

const layers = Object.keys(LAYERS);
const isFile = (name: string): boolean => name.endsWith(".ts");
const roomsOf = (layer: string): Readonly<Record<string, readonly string[]>> => LAYERS[layer]?.rooms ?? {};

/** Files of a room or layer, at its top and deeper, each with the path up to the room's parent. */
function filesIn(folder: string): readonly { path: string; up: string }[] {
  if (isFile(folder)) return [{ path: folder, up: "./" }];
  return [
    { path: `${folder}/planted.ts`, up: "../" },
    { path: `${folder}/inner/planted.ts`, up: "../../" },
  ];
}

/**
 * Files in every place of a layer that has rules of its own, each with the path up to the layer's
 * parent.
 */
function filesOf(layer: string): readonly { path: string; up: string }[] {
  if (ROOT_FILES.has(layer)) return filesIn(`${SRC}/${layer}.ts`);
  const rooms = Object.keys(roomsOf(layer)).flatMap((room) => filesIn(`${SRC}/${layer}/${room}`));
  return [
    ...filesIn(`${SRC}/${layer}`),
    ...rooms.map(({ path, up }) => ({ path, up: up === "./" ? "../" : `../${up}` })),
  ];
}

const targetOf = (place: string): string => (isFile(place) ? place : `${place}/anything.ts`);
const layerTarget = (layer: string): string => targetOf(ROOT_FILES.has(layer) ? `${layer}.ts` : layer);

const betweenLayers: readonly Plant[] = layers.flatMap((from) =>
  layers
    .filter((to) => to !== from)
    .flatMap((to) =>
      filesOf(from).map(({ path, up }) => ({
        file: path,
        specifier: `${up}${layerTarget(to)}`,
        is_allowed: LAYERS[from]?.imports.includes(to) ?? false,
      })),
    ),
);

const roomedLayers = layers.filter((layer) => Object.keys(roomsOf(layer)).length > 0);

const betweenRooms: readonly Plant[] = roomedLayers.flatMap((layer) => {
  const rooms = roomsOf(layer);
  const names = Object.keys(rooms);
  return names.flatMap((to) => [
    { file: `${SRC}/${layer}/shared.ts`, specifier: `./${targetOf(to)}`, is_allowed: false },
    ...names
      .filter((from) => from !== to)
      .flatMap((from) =>
        filesIn(`${SRC}/${layer}/${from}`).map(({ path, up }) => ({
          file: path,
          specifier: `${up}${targetOf(to)}`,
          is_allowed: rooms[from]?.includes(to) ?? false,
        })),
      ),
  ]);
});

/**
 * Shared files of a layer are open to all its rooms. A path through the layer's parent is open to
 * none.
 */
const aroundRooms: readonly Plant[] = roomedLayers.flatMap((layer) =>
  Object.keys(roomsOf(layer)).flatMap((room) =>
    filesIn(`${SRC}/${layer}/${room}`).flatMap(({ path, up }) => [
      { file: path, specifier: `${up}shared.ts`, is_allowed: true },
      { file: path, specifier: `${up === "./" ? "../" : `../${up}`}${layer}/shared.ts`, is_allowed: false },
    ]),
  ),
);

/** Each package with the files that may import it. */
const HOME_FILES: readonly (readonly [specifier: string, home: string, files: readonly string[]])[] = Object.entries(
  HOMES,
).map(([name, home]) => {
  const specifier = name.startsWith("@") && !name.includes("/") ? `${name}/planted` : name;
  if (home.includes("/"))
    return [specifier, home, [`${SRC}/${home.replace("*", "-driver")}`, `${SRC}/${home.replace("*", "")}`]];
  return [specifier, home, filesOf(home).map(({ path }) => path)];
});

const packages: readonly Plant[] = HOME_FILES.flatMap(([specifier, home, files]) =>
  [specifier, `${specifier}/sub`].flatMap((name) => [
    ...files.map((file) => ({ file, specifier: name, is_allowed: true })),
    ...layers
      .filter((layer) => layer !== home)
      .flatMap(filesOf)
      .map(({ path }) => path)
      .filter((file) => !files.includes(file))
      .map((file) => ({ file, specifier: name, is_allowed: false })),
  ]),
);

const plant = (file: string, specifier: string, is_allowed: boolean): Plant => ({ file, specifier, is_allowed });

const others: readonly Plant[] = [
  plant(`${SRC}/oauth/account.ts`, "undici", false),
  plant(`${SRC}/net/user-agent.ts`, "undici", false),
  plant(`${SRC}/store/store.ts`, "better-sqlite3", false),
  plant(`${SRC}/store/store.ts`, "pg", false),
  plant(`${SRC}/store/postgres-driver.ts`, "../vault/seal.ts", false),
  plant(`${SRC}/service/accounts/accounts.ts`, "better-auth", false),
  // Exceptions for one package must not be exceptions for the rest.
  plant(`${SRC}/net/http-client.ts`, "../store/store.ts", false),
  plant(`${SRC}/net/http-client.ts`, "fastify", false),
  plant(`${SRC}/store/sqlite.ts`, "../vault/seal.ts", false),
  plant(`${SRC}/store/sqlite.ts`, "undici", false),
  plant(`${SRC}/service/accounts/library.ts`, "../../http/server.ts", false),
  plant(`${SRC}/service/accounts/library.ts`, "../refresh/refresh.ts", false),
  plant(`${SRC}/service/accounts/library.ts`, "../access/credentials.ts", true),
  plant(`${SRC}/service/accounts/library.ts`, "kysely", false),
  plant(`${SRC}/wire/planted.ts`, "typebox", true),
  plant(`${SRC}/wire/planted.ts`, "node:crypto", false),
  plant(`${SRC}/wire/planted.ts`, "./fields.ts", true),
  plant(`${SRC}/http/pages/planted.ts`, "../api/tokens.ts", false),
  plant(`${SRC}/http/api/planted.ts`, "../pages/html.ts", false),
  plant("packages/simulator/src/engine/server.ts", "holdfast", false),
  plant("packages/simulator/src/engine/server.ts", "@holdfast/sdk", false),
  plant("packages/simulator/src/engine/server.ts", "../../../server/src/core/ids.ts", false),
  plant("packages/simulator/test/planted.ts", "../../server/src/core/ids.ts", false),
  plant("packages/simulator/test/planted.ts", "../src/engine/server.ts", true),
  plant("packages/simulator/src/engine/server.ts", "fastify", true),
  plant("packages/sdk/src/client.ts", "axios", false),
  plant("packages/sdk/src/client.ts", "node:crypto", false),
  plant("packages/sdk/src/client.ts", "../../server/src/core/ids.ts", false),
  plant("packages/sdk/src/client.ts", "./transport.ts", true),
];

const plants = [...betweenLayers, ...betweenRooms, ...aroundRooms, ...packages, ...others];

let folder = "";
let found: ReadonlySet<string> = new Set();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-layers-"));
  // Only the import rules: the others need types, and files that do not exist.
  const config = { categories: { correctness: "off" }, overrides: importRules() };
  await writeFile(join(folder, ".oxlintrc.json"), JSON.stringify(config));
  for (const [file, list] of Map.groupBy(plants, ({ file: path }) => path)) {
    await mkdir(join(folder, dirname(file)), { recursive: true });
    const lines = list.map(({ specifier }, index) => `import type { T${index} } from "${specifier}";\n`);
    await writeFile(join(folder, file), lines.join(""));
  }
  found = new Set(await lint(folder));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const keyOf = ({ file, specifier }: Pick<Plant, "file" | "specifier">): string => `${file} ${specifier}`;

describe("the import rules", () => {
  it("find every import in the wrong direction", () => {
    const missed = plants.filter(({ is_allowed, ...rest }) => !is_allowed && !found.has(keyOf(rest))).map(keyOf);
    expect(missed).toEqual([]);
  });

  it("let every other import pass", () => {
    const refused = plants.filter(({ is_allowed, ...rest }) => is_allowed && found.has(keyOf(rest))).map(keyOf);
    expect(refused).toEqual([]);
  });

  it("have no pattern that matches none of the planted imports", () => {
    const idle = regexes().filter((regex) => !isHit(regex));
    expect(idle).toEqual([]);
  });

  it("cover every folder and file of the server", () => {
    const here = readdirSync(join(ROOT, SRC)).map((name) => name.replace(/\.ts$/, ""));
    expect(layers.toSorted()).toEqual(here.toSorted());
  });

  it.each(roomedLayers)("cover every folder of %s/, and no folder or file that does not exist", (layer) => {
    const here = readdirSync(join(ROOT, SRC, layer), { withFileTypes: true });
    const rooms = Object.keys(roomsOf(layer));
    const folders = here.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    expect(rooms.filter((room) => !isFile(room)).toSorted()).toEqual(folders.toSorted());
    expect(here.map(({ name }) => name)).toEqual(expect.arrayContaining(rooms));
  });

  it.each(roomedLayers)("list the rooms of %s/ in an order: each imports only rooms above it in the table", (layer) => {
    const entries = Object.entries(roomsOf(layer));
    const names = entries.map(([name]) => name);
    const against = entries.flatMap(([name, imports], index) =>
      imports.filter((other) => !names.slice(0, index).includes(other)).map((other) => `${name} imports ${other}`),
    );
    expect(against).toEqual([]);
  });

  it.each([
    ["http", ["store", "vault", "oauth", "net", "cli"]],
    ["store", ["vault", "providers", "oauth", "service"]],
    ["service", ["http", "cli", "runner"]],
    ["oauth", ["store", "vault", "service"]],
    ["cli", ["http", "oauth", "net"]],
    ["runner", ["store", "vault", "oauth", "providers"]],
  ])("keep %s apart from %s", (layer, others_of) => {
    expect(LAYERS[layer]?.imports.filter((name) => others_of.includes(name))).toEqual([]);
  });
});

const regexes = (): readonly string[] =>
  [...JSON.stringify(importRules()).matchAll(/"regex":("(?:\\.|[^"\\])*")/g)].map(([, text = '""']) =>
    String(JSON.parse(text)),
  );

const isHit = (regex: string): boolean =>
  plants.some(({ is_allowed, specifier }) => !is_allowed && new RegExp(regex).test(specifier));

/** Returns `file specifier` of each finding. */
async function lint(cwd: string): Promise<readonly string[]> {
  const output = await outputOf("oxlint/bin/oxlint", ["-f", "unix", "."], cwd);
  const lines = [...output.matchAll(/^([^:\n]+):\d+:\d+: '([^']+)' import is restricted/gm)];
  return lines.map(([, file = "", specifier = ""]) => keyOf({ file, specifier }));
}

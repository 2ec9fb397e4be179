/**
 * Which part of the server imports which. oxlint.config.ts turns these tables into lint rules, and
 * layers.test.ts plants imports that break each of them. ARCHITECTURE.md describes the layers.
 */
import type { OxlintOverride } from "oxlint";

interface Layer {
  /** The other layers and root files that it may import. All others are forbidden. */
  readonly imports: readonly string[];
  /** What the layer is for. The message of a finding. */
  readonly why: string;
  /**
   * Its folders, and files of it that stand above some of them. Lowest first. Each lists the rooms
   * that it may import, all of which stand above it in the table. Files that are not listed are
   * shared: every room may import them, and they import no room.
   */
  readonly rooms?: Readonly<Record<string, readonly string[]>>;
  /** The only packages that it may import. */
  readonly packages?: readonly string[];
}

export const SRC = "packages/server/src";

/** Folders of the server's sources, and the files beside them. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  core: {
    imports: [],
    why: "core/ is pure and stands below everything: it imports nothing above it.",
  },
  wire: {
    imports: ["core"],
    why: "wire/ holds the schemas of requests and replies. Server and client read them, so it imports core/ and typebox only.",
    packages: ["typebox", "typebox/value"],
  },
  providers: {
    imports: ["core"],
    why: "providers/ is data about services and pure functions over it: it knows core/ only.",
  },
  net: {
    imports: ["core"],
    why: "net/ carries bytes: it knows no provider, token or row, so that everything above can use it.",
  },
  oauth: {
    imports: ["core", "providers", "net"],
    why: "oauth/ speaks to providers and returns values: service/, above it, decides what is stored, sealed, logged or sent.",
  },
  files: {
    imports: ["core"],
    why: "files/ shares files between processes: it knows core/ only, and not what the files contain.",
  },
  vault: {
    imports: ["core", "files"],
    why: "vault/ seals and opens: it knows core/ and files/ only, and no table, query or provider.",
  },
  store: {
    imports: ["core"],
    why: "store/ keeps rows: it knows no provider and takes Sealed bytes, so that no plaintext token can reach the database.",
  },
  telemetry: {
    imports: ["core"],
    why: "telemetry/ writes what it receives: it knows core/ only.",
  },
  service: {
    imports: ["core", "providers", "net", "oauth", "vault", "store", "telemetry", "config"],
    why: "service/ decides and knows no HTTP, no command line and no process: those call it.",
    rooms: {
      cache: [],
      events: [],
      grants: ["cache", "events"],
      refresh: ["cache", "events", "grants"],
      connections: ["cache", "events", "grants", "refresh"],
      access: ["cache"],
      users: ["access", "cache"],
      accounts: ["access"],
      consent: ["access", "cache", "events", "grants"],
      apps: ["access", "cache", "grants"],
      functions: ["access", "cache", "grants"],
      "housekeeping.ts": ["access"],
      "sweeper.ts": ["events", "grants", "refresh", "housekeeping.ts"],
      "services.ts":
        "cache events grants refresh connections access users accounts consent apps functions sweeper.ts".split(" "),
    },
  },
  runner: {
    imports: ["core", "net"],
    why: "runner/ runs code that is not ours: it receives what it needs, and has no way to a store, a key or a provider.",
    rooms: {
      sandbox: [],
      egress: [],
      bundler: ["sandbox", "egress"],
      "dropped-headers.ts": [],
      "deno.ts": ["sandbox"],
      "process.ts": ["sandbox", "deno.ts"],
      "pool.ts": ["process.ts"],
      "functions.ts": ["sandbox", "egress", "deno.ts", "process.ts", "pool.ts", "dropped-headers.ts"],
      "call.ts": ["functions.ts"],
    },
  },
  http: {
    imports: ["core", "wire", "providers", "service", "runner", "telemetry", "config"],
    why: "http/ turns requests into calls of service/: it cannot reach the store, the vault or a provider, so that no route can skip a check that service/ makes.",
    rooms: {
      pages: [],
      "errors.ts": ["pages"],
      api: ["errors.ts"],
      "malformed.ts": ["errors.ts"],
      "server.ts": ["pages", "errors.ts", "malformed.ts", "api"],
    },
  },
  cli: {
    imports: "core wire providers files vault store service telemetry config installation app".split(" "),
    why: "Commands use app.ts, installation.ts and service/. They never serve HTTP and never call a provider: the running server does.",
    rooms: {
      terminal: [],
      remote: ["terminal"],
      "report-error.ts": ["terminal", "remote"],
      connectors: ["terminal", "remote"],
      functions: ["terminal", "remote"],
      demo: ["terminal", "remote"],
      commands: ["terminal", "remote", "connectors", "functions", "demo"],
      "main.ts": ["terminal", "report-error.ts", "commands"],
    },
  },
  config: {
    imports: ["core"],
    why: "Every layer reads config.ts, so it imports core/ only.",
  },
  installation: {
    imports: ["core", "providers", "net", "oauth", "vault", "store", "service", "runner", "telemetry", "config"],
    why: "installation.ts opens what server and commands share: HTTP and commands come on top of it.",
  },
  app: {
    imports: "core wire providers net oauth vault store service http runner telemetry config installation".split(" "),
    why: "app.ts is the server: commands start it, not the other way round.",
  },
  main: {
    imports: ["cli"],
    why: "main.ts only passes its arguments to cli/main.ts.",
  },
};

/** The layers that are a file, without its suffix. */
export const ROOT_FILES: ReadonlySet<string> = new Set(["config", "installation", "app", "main"]);

/**
 * The only place that imports each package: a layer, or files of one. A name stands for its
 * subpaths, too.
 */
export const HOMES: Readonly<Record<string, string>> = {
  "better-auth": "service/accounts/library.ts",
  fastify: "http",
  "@fastify": "http",
  undici: "net/http-client.ts",
  "better-sqlite3": "store/sqlite*.ts",
  pg: "store/postgres*.ts",
  oauth4webapi: "oauth",
  jose: "service/users/jwt.ts",
  kysely: "store",
  croner: "service/functions/schedule.ts",
  commander: "cli",
  "@holdfast/simulator": "cli",
  open: "cli/terminal/browser.ts",
  esbuild: "runner",
  pino: "telemetry",
};

type Pattern = { readonly message: string } & ({ readonly regex: string } | { readonly group: [string, ...string[]] });

/** A place in the server that has import rules of its own. */
interface Place {
  readonly glob: string;
  readonly layer: string;
  /** The room, or null for the shared files of a layer. */
  readonly room: string | null;
  /** The packages that have their home here. */
  readonly packages: readonly string[];
}

/**
 * Returns the import rules, each more precise than the ones before it. oxlint applies the last that
 * matches a file.
 */
export const importRules = (): readonly OxlintOverride[] => [
  ...Object.keys(LAYERS)
    .flatMap(placesOf)
    .map((place) => restriction(place.glob, patternsFor(place))),
  ...OTHER_PACKAGES.map(({ glob, patterns }) => restriction(glob, patterns)),
];

/** The layer, then its rooms, then the files that are the home of a package. */
function placesOf(layer: string): readonly Place[] {
  const here = Object.entries(HOMES).filter(([, home]) => home.split("/")[0] === layer);
  const everywhere = here.filter(([, home]) => home === layer).map(([name]) => name);
  const glob = `${SRC}/${layer}${ROOT_FILES.has(layer) ? ".ts" : "/**"}`;
  const rooms = Object.keys(LAYERS[layer]?.rooms ?? {});
  return [
    { glob, layer, room: null, packages: everywhere },
    ...rooms.map((room) => ({
      glob: `${SRC}/${layer}/${room}${isFile(room) ? "" : "/**"}`,
      layer,
      room,
      packages: everywhere,
    })),
    ...[...Map.groupBy(here, ([, home]) => home)]
      .filter(([home]) => home !== layer)
      .map(([home, list]) => ({
        glob: `${SRC}/${home}`,
        layer,
        room: rooms.find((room) => home === `${layer}/${room}` || home.startsWith(`${layer}/${room}/`)) ?? null,
        packages: [...everywhere, ...list.map(([name]) => name)],
      })),
  ];
}

const isFile = (name: string): boolean => name.endsWith(".ts");

function patternsFor(place: Place): readonly Pattern[] {
  return [...layerPatterns(place), ...roomPatterns(place), ...packagePatterns(place)];
}

/**
 * A file reaches its own layer only by shorter paths. A path through the layer's name would evade
 * the rules for rooms.
 */
function layerPatterns({ layer }: Place): readonly Pattern[] {
  const { imports, why: message } = layerOf(layer);
  const is_file = ROOT_FILES.has(layer);
  const forbidden = Object.keys(LAYERS).filter((other) => !imports.includes(other) && !(is_file && other === layer));
  const up = is_file ? String.raw`\./` : String.raw`(\.\./)+`;
  return alternatives(up, {
    folders: forbidden.filter((name) => !ROOT_FILES.has(name)),
    files: forbidden.filter((name) => ROOT_FILES.has(name)).map((name) => `${name}.ts`),
    message,
  });
}

function roomPatterns({ layer, room }: Place): readonly Pattern[] {
  const { rooms = {} } = layerOf(layer);
  const allowed = room === null ? [] : (rooms[room] ?? []);
  const forbidden = Object.keys(rooms).filter((other) => other !== room && !allowed.includes(other));
  const is_deep = room !== null && !isFile(room);
  return alternatives(is_deep ? String.raw`(\.\./)+` : String.raw`\./`, {
    folders: forbidden.filter((name) => !isFile(name)),
    files: forbidden.filter(isFile),
    message: `The rooms of ${layer}/ are in an order. tools/layers.ts lists the rooms that each may import.`,
  });
}

interface Forbidden {
  readonly folders: readonly string[];
  readonly files: readonly string[];
  readonly message: string;
}

function alternatives(up: string, { folders, files, message }: Forbidden): readonly Pattern[] {
  return [
    ...(folders.length === 0 ? [] : [{ regex: `^${up}(${folders.map(escape).join("|")})/`, message }]),
    ...(files.length === 0 ? [] : [{ regex: `^${up}(${files.map(escape).join("|")})$`, message }]),
  ];
}

function packagePatterns({ layer, packages }: Place): readonly Pattern[] {
  const { packages: only, why } = layerOf(layer);
  if (only !== undefined) return [{ group: ["*", ...only.map((name) => `!${name}`), "!./**", "!../**"], message: why }];
  const forbidden = Object.keys(HOMES).filter((name) => !packages.includes(name));
  const list = Object.entries(HOMES).map(([name, home]) => `${name} in ${home}`);
  return [
    {
      regex: `^(${forbidden.map(escape).join("|")})(/.*)?$`,
      message: `Each package has one home: ${list.join(", ")}. Replacing one then stays a change in one place.`,
    },
  ];
}

function layerOf(name: string): Layer {
  const layer = LAYERS[name];
  if (layer === undefined) throw new Error(`${name} is not a layer.`);
  return layer;
}

const escape = (name: string): string => name.replaceAll(/[.*+?]/g, String.raw`\$&`);

const INDEPENDENT =
  "The simulator must not share the server's reading of a specification, or both would be wrong together.";

const OTHER_PACKAGES: readonly { readonly glob: string; readonly patterns: readonly Pattern[] }[] = [
  {
    glob: "packages/simulator/**",
    patterns: [
      { regex: "^(holdfast|@holdfast/sdk)(/|$)", message: INDEPENDENT },
      { regex: "(^|/)(server|sdk)/(src|dist|bin)(/|$)", message: INDEPENDENT },
    ],
  },
  {
    glob: "packages/sdk/src/**",
    patterns: [
      { regex: "^[^.]", message: "The SDK has no dependencies, and runs where there is no Node." },
      { regex: "(^|/)(server|simulator)/", message: "The SDK knows the wire format, not the server." },
    ],
  },
];

const restriction = (glob: string, patterns: readonly Pattern[]): OxlintOverride => ({
  files: [glob],
  rules: { "no-restricted-imports": ["error", { patterns: [...patterns] }] },
});

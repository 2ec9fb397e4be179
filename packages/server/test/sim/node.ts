/**
 * A node: the real services of one server process, wired as in installation.ts and app.ts, over the
 * simulated parts. A restart creates a new node on the same machine: same disk, same clock, another
 * owner.
 */
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import type { Clock } from "../../src/core/clock.ts";
import { Secret } from "../../src/core/secret.ts";
import type { OAuthClientId } from "../../src/core/types.ts";
import { createCatalog, type Catalog } from "../../src/providers/index.ts";
import { defineProvider, type Provider } from "../../src/providers/provider.ts";
import type { OAuthClients } from "../../src/service/grants/clients.ts";
import type { Connections } from "../../src/service/connections/types.ts";
import type { Refresher } from "../../src/service/refresh/refresh.ts";
import type { Revocations } from "../../src/service/grants/revocation.ts";
import type { Spill } from "../../src/service/refresh/spill.ts";
import type { TokenCache } from "../../src/service/cache/token-cache.ts";
import { createCaches, createTokenPath } from "../../src/service/services.ts";
import { createUrls } from "../../src/service/urls.ts";
import type { Engine } from "../../src/store/engine.ts";
import type { Store } from "../../src/store/store.ts";
import type { Log, LogFields } from "../../src/telemetry/log.ts";
import type { OAuthProtocol } from "../../src/oauth/protocol.ts";
import type { Vault } from "../../src/vault/seal.ts";
import type { ProviderModel } from "./provider.ts";
import type { Life, World } from "./world.ts";

/** As in production, but each start does not allocate a cache for ten thousand tokens. */
const limits: Limits = { ...LIMITS, token_cache_entries: 8 };

export interface Node {
  readonly life: Life;
  readonly connections: Connections;
  readonly cache: TokenCache;
  readonly clock: Clock;
  readonly store: Store;
  readonly refresher: Refresher;
  /** Reports whether this node considers the database reachable. */
  readonly isDatabaseThere: () => boolean;
}

export function providerFor({ rotation, grace_ms, access_ms }: ProviderModel): Provider {
  const refresh = {
    none: { kind: "stays" },
    grace: { kind: "rotates", reuse: "grace", grace_s: grace_ms / 1_000 },
    strict: { kind: "rotates", reuse: "strict" },
  } as const;
  return defineProvider({
    id: "simulated",
    display_name: "Simulated",
    description: "A provider of the simulation.",
    vendor: "simulated",
    docs_url: "https://simulated.example",
    registration: { url: "https://simulated.example", notes: [] },
    authorization_url: "https://simulated.example/authorize",
    token_url: "https://simulated.example/token",
    client_auth: "client_secret_post",
    default_scopes: [],
    common_scopes: [],
    lifetime: {
      access_s: access_ms / 1_000,
      refresh: refresh[rotation],
      refresh_idle_s: null,
      refresh_absolute_s: null,
    },
    identity: { from: "token", account: { id: "id", label: null, email: null } },
    health: { method: "GET", url: "https://simulated.example/me" },
    revocation: { kind: "none", note: "" },
    hosts: [],
    errors: { refused: [], misconfigured: [], transient: [] },
    sources: [],
    unverified: [],
  });
}

export function catalogOf(provider: Provider): Catalog {
  const { require } = createCatalog([provider]);
  return {
    get: (id) => (id === provider.id ? provider : null),
    require,
    all: () => [provider],
    nearest: () => null,
    byVendor: () => [provider],
  };
}

export interface NodeOptions {
  readonly world: World;
  readonly life: Life;
  readonly engine: Engine;
  readonly store: Store;
  readonly vault: Vault;
  readonly oauth: OAuthProtocol;
  readonly catalog: Catalog;
  readonly spill: Spill;
  readonly revoking: (connection: string, refresh_token: string | null) => void;
  /** Called when the node logs that its response was superseded. */
  readonly superseded: (connection: string) => void;
  /** Called when the node accepts requests. */
  readonly started: () => void;
  /** Called when the server could not start, so that its process ends. */
  readonly failedToStart: () => void;
}

const SECRET = new Secret("secret");
const urls = createUrls("https://holdfast.example");

export function startNode({
  world,
  life,
  engine,
  store,
  vault,
  oauth,
  catalog,
  spill,
  revoking,
  superseded,
  started,
  failedToStart,
}: NodeOptions): Node {
  const { clock } = engine;
  const random = world.random.next;
  const log = logOf(world, life, superseded);
  const caches = createCaches({ clock, limits, log });
  const { cache, gate } = caches;
  const revocations = revocationsOf(revoking);
  const clients = clientsOf(engine);
  const ground = { store, vault, oauth, catalog, urls, clock, limits, log, random, owner: life.owner };
  const { refresher, connections, sweeper } = createTokenPath({
    ...ground,
    ...caches,
    clients,
    revocations,
    spill,
    events_wanted: new Set(),
  });
  void refresher
    .recover()
    .then(() => {
      sweeper.start();
      return started();
    })
    .catch(failedToStart);
  store.onChange((news) => {
    cache.markStale();
    if (news === "reconnected")
      void refresher.repair().catch((error: unknown) => log.error("repair_failed", { error }));
  });
  return { life, connections, cache, clock, store, refresher, isDatabaseThere: gate.isOpen };
}

function clientsOf(engine: Engine): OAuthClients {
  return {
    set: unused,
    list: unused,
    remove: unused,
    find: unused,
    open: (id: OAuthClientId) =>
      engine.read(async () => {
        return { id, client_id: "client", client_secret: SECRET };
      }),
  };
}

function unused(): never {
  throw new Error("The engine only opens clients here.");
}

/** Sends nothing, but checks what the engine would revoke. */
function revocationsOf(revoking: NodeOptions["revoking"]): Omit<Revocations, "prepareTokens"> {
  return {
    prepare: () => Promise.resolve(null),
    run: () => Promise.resolve(),
    revokeLate: async (row, { refresh_token }) => revoking(row.id, refresh_token?.expose() ?? null),
  };
}

function logOf(world: World, life: Life, superseded: NodeOptions["superseded"]): Log {
  const write = (event: string, fields: LogFields = {}): void => {
    if (event === "refresh_superseded" && fields.connection_id !== undefined) superseded(fields.connection_id);
    world.trace(() => {
      const { error, ...rest } = fields;
      const message = error instanceof Error ? ` ${error.message}` : "";
      return `${life.owner} log ${event} ${JSON.stringify(rest)}${message}`;
    });
  };
  return { debug: () => {}, info: write, warn: write, error: write };
}

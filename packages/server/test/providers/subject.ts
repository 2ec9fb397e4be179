/**
 * One provider over the simulator: its own server and OAuth client, and a new app and user for each
 * claim.
 *
 * Everything that differs between providers is read from the definition, never from the id. The
 * simulator's profile supplies what the definition does not state, such as whether the vendor
 * replaces refresh tokens by default.
 */
import type { LedgerRequest, Profile, Simulator } from "@holdfast/simulator";
import { expect } from "vitest";
import { sha256Hex, type Secret } from "../../src/core/secret.ts";
import { createOAuthProtocol, type OAuthProtocol } from "../../src/oauth/protocol.ts";
import { createHttpClient } from "../../src/net/http-client.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { sealContext } from "../../src/service/grants/grant.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { sealedFromStorage } from "../../src/vault/seal.ts";
import { MINUTE, SECOND } from "../support/clock.ts";
import { asObject, type Json, type Reply } from "../support/http.ts";
import { openTestServer, type TestApp, type TestServer } from "../support/server.ts";

/**
 * Some vendors accept only https. The tests' browser maps this origin to the server on loopback.
 */
const PUBLIC_URL = "https://connect.example.com";

export interface Subject {
  readonly provider: Provider;
  readonly profile: Profile;
  readonly holdfast: TestServer;
  readonly simulator: Simulator;
  readonly oauth: OAuthProtocol;
  readonly client_id: string;
  /** A plain connection to the service as the definition describes it. */
  readonly first: Link;
  /** Completes a consent for a new user and a new app, with the vendor in these modes. */
  connect(name: string, modes?: readonly string[], declared?: readonly string[]): Promise<Link>;
  /** Returns requests of a kind that arrived after the one numbered `since`. */
  requests(kind: LedgerRequest["kind"], since?: number): readonly LedgerRequest[];
  /** Returns the number of the latest request. */
  latest(): number;
  close(): Promise<void>;
}

/** A connection, as its app and its owner see it. */
export interface Link {
  readonly app: TestApp;
  /** The account as entered in the consent form. */
  readonly account: string;
  row(): Promise<ConnectionRow>;
  /** Calls getConnection. `rejected` reports an access token that the API rejected. */
  getConnection(rejected?: string): Promise<Reply>;
  accessToken(): Promise<string>;
  refreshToken(): Promise<Secret>;
  health(): Promise<"alive" | "dead" | "unknown">;
  /** Returns the app's entry in external-auth/list. */
  entry(): Promise<Json>;
  /** Returns requests for this connection's grants that arrived after the one numbered `since`. */
  requests(kind: LedgerRequest["kind"], since?: number): readonly LedgerRequest[];
  /** Sends DELETE external-auth/integrations/:type. */
  disconnect(): Promise<Reply>;
}

type Bench = Pick<Subject, "provider" | "profile" | "holdfast" | "simulator" | "oauth" | "client_id">;

export async function openSubject(provider: Provider, profile: Profile): Promise<Subject> {
  const holdfast = await openTestServer({ public_url: PUBLIC_URL });
  const { simulator, clock, close } = holdfast;
  const { limits } = holdfast.config;
  const httpClient = createHttpClient({ gateway: simulator.url, limits, clock });
  const oauth = createOAuthProtocol({ httpClient, clock, limits });
  const client_id = await holdfast.setClient(provider.id, [], "suite");
  const bench: Bench = { provider, profile, holdfast, simulator, oauth, client_id };

  let users = 0;
  const connect: Subject["connect"] = (name, modes = [], declared = []) => {
    users += 1;
    return connectUser(bench, { account: `${name}${users}@org${users}`, modes, declared });
  };
  return {
    ...bench,
    first: await connect("ada", declaredModes(provider)),
    connect,
    requests: (kind, since) => requestsOf(simulator, kind, since),
    latest: () => simulator.ledger().requests.at(-1)?.n ?? 0,
    close,
  };
}

interface Consent {
  readonly account: string;
  readonly modes: readonly string[];
  readonly declared: readonly string[];
}

async function connectUser(bench: Bench, { account, modes, declared }: Consent): Promise<Link> {
  const { provider, holdfast, simulator, client_id } = bench;
  const app = await holdfast.createApp(account);
  simulator.setModes({ client_id, modes });
  await holdfast.connect(provider.id, { app, account, declared, config: configFor(provider) });
  return linkOf(bench, app, account);
}

function linkOf(bench: Bench, app: TestApp, account: string): Link {
  const { provider, holdfast, simulator, oauth } = bench;
  const base = `/api/apps/${app.app_id}/external-auth`;
  const headers = { api_key: app.api_key };
  const row = (): Promise<ConnectionRow> => holdfast.row(provider.id, app);
  return {
    app,
    account,
    row,
    getConnection: (rejected) => holdfast.token(provider.id, { app, ...(rejected === undefined ? {} : { rejected }) }),
    accessToken: () => holdfast.accessToken(provider.id, app),
    refreshToken: async () => openToken(bench, await row(), "refresh"),
    async health() {
      const stored = await row();
      const access_token = await openToken(bench, stored, "access");
      return oauth.health({ provider, config: stored.config ?? {}, access_token });
    },
    async entry() {
      const { integrations } = (await holdfast.request("GET", `${base}/list`, { headers })).json;
      const entries = Array.isArray(integrations) ? integrations.map(asObject) : [];
      return asObject(entries.find(({ integration_type }) => integration_type === provider.id));
    },
    requests(kind, since) {
      const grants = simulator.ledger().grants.filter((grant) => grant.account === account);
      const own = new Set<string | null>(grants.map(({ grant_id }) => grant_id));
      return requestsOf(simulator, kind, since).filter(({ grant_id }) => own.has(grant_id));
    },
    disconnect: () => holdfast.request("DELETE", `${base}/integrations/${provider.id}`, { headers }),
  };
}

function openToken({ provider, holdfast }: Bench, row: ConnectionRow, column: "access" | "refresh"): Promise<Secret> {
  const sealed = column === "access" ? row.sealed_access : row.sealed_refresh;
  if (sealed === null) throw new Error(`The connection of ${provider.id} has no ${column} token.`);
  return holdfast.installation.vault.open(sealContext(row, column), sealedFromStorage(sealed));
}

function requestsOf(simulator: Simulator, kind: LedgerRequest["kind"], since = 0): readonly LedgerRequest[] {
  return simulator.ledger().requests.filter((request) => request.kind === kind && request.n > since);
}

/** Returns what a user enters on the confirm page: each required field, with its placeholder. */
export function configFor({ config_fields }: Provider): Readonly<Record<string, string>> {
  const required = config_fields.filter((field) => field.required);
  return Object.fromEntries(required.map((field) => [field.name, field.default ?? field.placeholder]));
}

/**
 * Returns the simulator modes that the definition assumes. Single-use refresh tokens can be a
 * setting of the app, so it turns rotation on for them.
 */
export function declaredModes({ lifetime: { refresh } }: Provider): readonly string[] {
  return refresh.kind === "rotates" && refresh.reuse === "strict" ? ["rotate"] : [];
}

/**
 * Reports whether an access token is exchanged for its successor, which requires it to be
 * unexpired.
 */
export function renewsItself(provider: Provider): boolean {
  return provider.flow.kind === "authorization_code" && provider.flow.long_lived !== undefined;
}

/** Reports whether a refresh returns another refresh token, according to the vendor's own pages. */
export function replacesRefreshToken({ provider, profile }: Subject, modes: readonly string[]): boolean {
  return renewsItself(provider) || modes.includes("rotate") || profile.capabilities.rotate.supported;
}

/**
 * Lets the access token expire, or become due for its renewal, and reads the connection. If no
 * expiry is known, reports the token as rejected instead.
 */
export async function readAfterExpiry({ provider, holdfast }: Subject, link: Link): Promise<Reply> {
  const { clock } = holdfast;
  const { expires_at, refresh_at } = await link.row();
  if (expires_at === null || refresh_at === null) return reportRejected({ holdfast }, link);
  if (!renewsItself(provider)) {
    await clock.jump(expires_at - clock.now() + SECOND);
    return link.getConnection();
  }
  await clock.jump(refresh_at - clock.now());
  await holdfast.server.sweeper.tick();
  return link.getConnection();
}

/** Reports the current token as rejected by the API, at an age at which reports are accepted. */
export async function reportRejected({ holdfast }: Pick<Subject, "holdfast">, link: Link): Promise<Reply> {
  const token = await link.accessToken();
  await holdfast.clock.jump(MINUTE + SECOND);
  return link.getConnection(token);
}

/** Returns the scopes that the simulated user granted, regardless of the token response. */
export function grantedScopes({ simulator }: Subject, { account }: Link): readonly string[] {
  const grants = simulator.ledger().grants.filter((grant) => grant.account === account);
  return [...new Set(grants.flatMap(({ scopes }) => scopes))];
}

/**
 * Expects only declared and derived values, each matching its pattern, and no token, secret or ID
 * token.
 */
export async function expectHarmlessConfig({ provider, simulator, client_id }: Subject, link: Link): Promise<void> {
  const { connection_config } = (await link.getConnection()).json;
  const config = asObject(connection_config);
  const known = new Map([...provider.config_fields, ...provider.derived_config].map((field) => [field.name, field]));
  const { access_tokens, refresh_tokens } = simulator.ledger();
  for (const [name, value] of Object.entries(config)) {
    expect(known.has(name), `${name} is declared`).toBe(true);
    expect(value).toMatch(new RegExp(known.get(name)?.pattern ?? "^$"));
    const text = String(value);
    expect({ ...access_tokens, ...refresh_tokens }).not.toHaveProperty(sha256Hex(text));
    expect(text).not.toContain(client_id);
    expect(text).not.toMatch(/^eyJ/);
  }
  for (const { name, required } of provider.config_fields) if (required) expect(config).toHaveProperty(name);
}

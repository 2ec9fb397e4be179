/**
 * One provider over the simulator: a server of its own, one OAuth client, and a new app and person for each claim.
 *
 * Everything that differs between providers is read from the definition, and never from its id. What the definition does
 * not say (whether a vendor replaces refresh tokens by default, for instance) is the simulator's profile's to say.
 */
import type { LedgerRequest, Profile, Simulator } from "@holdfast/simulator";
import { expect } from "vitest";
import { sha256Hex, type Secret } from "../../src/core/secret.ts";
import { createOAuthClient, type OAuthClient } from "../../src/oauth/client.ts";
import { createTransport } from "../../src/net/transport.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { parseConfig, sealContext } from "../../src/service/grants/grant.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { sealedFromStorage } from "../../src/vault/seal.ts";
import { MINUTE, SECOND } from "../support/clock.ts";
import { asObject, type Json, type Reply } from "../support/http.ts";
import { openTestServer, type TestApp, type TestServer } from "../support/server.ts";

/** Some vendors take no other redirect address. The tests' browser leads it to the server on loopback. */
const PUBLIC_URL = "https://connect.example.com";

export interface Subject {
  readonly provider: Provider;
  readonly profile: Profile;
  readonly holdfast: TestServer;
  readonly simulator: Simulator;
  readonly oauth: OAuthClient;
  readonly client_id: string;
  /** A well-behaved person's connection, as the definition describes the service. */
  readonly first: Link;
  /** The whole consent of a person of this name, for a new app, while the vendor is in these modes. */
  connect(name: string, modes?: readonly string[], declared?: readonly string[]): Promise<Link>;
  /** Requests of a kind that arrived after the one with this number. */
  requests(kind: LedgerRequest["kind"], since?: number): readonly LedgerRequest[];
  /** The number of the latest request. */
  latest(): number;
  close(): Promise<void>;
}

/** A connection, as its app and its owner see it. */
export interface Link {
  readonly app: TestApp;
  /** As the consent form took it. */
  readonly account: string;
  row(): Promise<ConnectionRow>;
  /** getConnection. `rejected`: an access token that the API refused. */
  ask(rejected?: string): Promise<Reply>;
  accessToken(): Promise<string>;
  refreshToken(): Promise<Secret>;
  health(): Promise<"alive" | "dead" | "unknown">;
  /** The app's entry in external-auth/list. */
  entry(): Promise<Json>;
  /** Requests of this connection's grants that arrived after the one with this number. */
  requests(kind: LedgerRequest["kind"], since?: number): readonly LedgerRequest[];
  /** DELETE external-auth/integrations/:type. */
  disconnect(): Promise<Reply>;
}

export async function openSubject(provider: Provider, profile: Profile): Promise<Subject> {
  const holdfast = await openTestServer({ public_url: PUBLIC_URL });
  const { simulator, clock, installation } = holdfast;
  const { limits } = holdfast.config;
  const transport = createTransport({ gateway: simulator.url, limits, clock });
  const oauth = createOAuthClient({ transport, clock, limits });
  const client_id = await holdfast.setClient(provider.id, [], "suite");
  let people = 0;

  const requests: Subject["requests"] = (kind, since = 0) =>
    simulator.ledger().requests.filter((request) => request.kind === kind && request.n > since);

  async function connect(name: string, modes: readonly string[] = [], declared: readonly string[] = []): Promise<Link> {
    people += 1;
    const account = `${name}${people}@org${people}`;
    const app = await holdfast.createApp(account);
    simulator.setModes({ client_id, modes });
    await holdfast.connect(provider.id, { app, account, declared, config: configFor(provider) });
    return linkOf(app, account);
  }

  function linkOf(app: TestApp, account: string): Link {
    const base = `/api/apps/${app.app_id}/external-auth`;
    const headers = { api_key: app.api_key };
    const row = (): Promise<ConnectionRow> => holdfast.row(provider.id, app);
    const open = async (column: "access" | "refresh"): Promise<Secret> => {
      const stored = await row();
      const sealed = column === "access" ? stored.sealed_access : stored.sealed_refresh;
      if (sealed === null) throw new Error(`The connection of ${provider.id} has no ${column} token.`);
      return installation.vault.open(sealContext(stored, column), sealedFromStorage(sealed));
    };
    return {
      app,
      account,
      row,
      ask: (rejected) => holdfast.token(provider.id, { app, ...(rejected === undefined ? {} : { rejected }) }),
      accessToken: () => holdfast.accessToken(provider.id, app),
      refreshToken: () => open("refresh"),
      async health() {
        const config = parseConfig((await row()).config);
        return oauth.health({ provider, config, access_token: await open("access") });
      },
      async entry() {
        const { integrations } = (await holdfast.request("GET", `${base}/list`, { headers })).json;
        const entries = Array.isArray(integrations) ? integrations.map(asObject) : [];
        return asObject(entries.find(({ integration_type }) => integration_type === provider.id));
      },
      requests(kind, since) {
        const grants = simulator.ledger().grants.filter((grant) => grant.account === account);
        const own = new Set<string | null>(grants.map(({ grant_id }) => grant_id));
        return requests(kind, since).filter(({ grant_id }) => own.has(grant_id));
      },
      disconnect: () => holdfast.request("DELETE", `${base}/integrations/${provider.id}`, { headers }),
    };
  }

  const latest = (): number => simulator.ledger().requests.at(-1)?.n ?? 0;
  const first = await connect("ada", declaredModes(provider));
  const { close } = holdfast;
  return { provider, profile, holdfast, simulator, oauth, client_id, first, connect, requests, latest, close };
}

/** What a person types into the confirm page: what must be given, from what the page shows in the empty field. */
export function configFor({ config_fields }: Provider): Readonly<Record<string, string>> {
  const asked = config_fields.filter((field) => field.required);
  return Object.fromEntries(asked.map((field) => [field.name, field.default ?? field.placeholder]));
}

/** Services whose refresh tokens are single use, or may be: where rotation is a setting of the app, it is on. */
export function declaredModes({ lifetime: { refresh } }: Provider): readonly string[] {
  return refresh.kind === "rotates" && refresh.reuse === "strict" ? ["rotate"] : [];
}

/** No refresh token beside it: an access token is exchanged for its successor, so it must not have ended. */
export function renewsItself(provider: Provider): boolean {
  return provider.flow.kind === "authorization_code" && provider.flow.long_lived !== undefined;
}

/** Whether a refresh brings another token to refresh with, by the vendor's own pages. */
export function replacesRefreshToken({ provider, profile }: Subject, modes: readonly string[]): boolean {
  return renewsItself(provider) || modes.includes("rotate") || profile.capabilities.rotate.supported;
}

/** Lets the access token grow old, and reads: past its end where one is known; else its API refuses it. */
export async function outlive({ provider, holdfast }: Subject, link: Link): Promise<Reply> {
  const { clock } = holdfast;
  const { expires_at, refresh_at } = await link.row();
  if (expires_at === null || refresh_at === null) return refuse({ holdfast }, link);
  if (!renewsItself(provider)) {
    await clock.jump(expires_at - clock.now() + SECOND);
    return link.ask();
  }
  await clock.jump(refresh_at - clock.now());
  await holdfast.server.sweeper.tick();
  return link.ask();
}

/** Says that the API refused the token in hand, at an age at which it may be said. */
export async function refuse({ holdfast }: Pick<Subject, "holdfast">, link: Link): Promise<Reply> {
  const token = await link.accessToken();
  await holdfast.clock.jump(MINUTE + SECOND);
  return link.ask(token);
}

/** The scopes that the simulator's person granted: the truth, whatever the token answer said. */
export function grantedScopes({ simulator }: Subject, { account }: Link): readonly string[] {
  const grants = simulator.ledger().grants.filter((grant) => grant.account === account);
  return [...new Set(grants.flatMap(({ scopes }) => scopes))];
}

/** Only declared and derived values, all texts of their pattern, and none a token, a secret or an id_token. */
export async function expectHarmlessConfig({ provider, simulator, client_id }: Subject, link: Link): Promise<void> {
  const { connection_config } = (await link.ask()).json;
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

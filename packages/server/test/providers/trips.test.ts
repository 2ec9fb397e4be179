/**
 * Every service of the catalog, from consent to revocation, through the real client and the simulated vendor. The vendors
 * are written from their documents, not from this catalog, so that a wrong path or name on either side shows.
 */
import { createHash } from "node:crypto";
import {
  approveConsent,
  clientSecretOf,
  profiles,
  simulatedClientId,
  startSimulator,
  type ModeName,
  type Simulator,
} from "@holdfast/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/config.ts";
import { systemClock } from "../../src/core/clock.ts";
import { missingScopes } from "../../src/core/scopes.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant, type ConnectionConfig } from "../../src/core/types.ts";
import { createOAuthClient, type OAuthClient } from "../../src/oauth/client.ts";
import type { IssuedTokens } from "../../src/oauth/outcome.ts";
import { createTransport } from "../../src/net/transport.ts";
import { validateProvider } from "../../src/providers/custom.ts";
import { providers } from "../../src/providers/index.ts";
import { withDefaults, type Provider } from "../../src/providers/provider.ts";
import acme from "./fixtures/acme.json" with { type: "json" };
import { sampleConfig } from "./samples.ts";

let simulator: Simulator;
let client: OAuthClient;

beforeAll(async () => {
  simulator = await startSimulator();
  const clock = { ...systemClock, now: () => instant(simulator.now()) };
  const transport = createTransport({ gateway: simulator.url, limits: LIMITS, clock });
  client = createOAuthClient({ transport, clock, limits: LIMITS });
});

afterAll(() => simulator.close());

/** The catalog, and an operator's own service from its file. */
const own = validateProvider(acme);
const all = [...providers.values(), ...("provider" in own ? [own.provider] : [])];
/** Apps of these vendors have refresh tokens only where a setting says so. */
const SETTINGS: Readonly<Record<string, readonly ModeName[]>> = {
  github: ["rotate"],
  slack: ["rotate"],
  slackbot: ["rotate"],
  salesforce: ["rotate"],
};

/** Vendors whose answer tells a dead grant and a wrong client apart in no way, so that neither is taken for granted. */
const SAY_NOTHING: readonly string[] = ["square"];

interface Trip {
  readonly provider: Provider;
  readonly credentials: { readonly client_id: string; readonly client_secret: Secret };
  readonly asked: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
  readonly tokens: IssuedTokens;
}

function credentialsOf(provider: Provider) {
  const client_id = simulatedClientId(SETTINGS[provider.id] ?? []);
  return { client_id, client_secret: new Secret(clientSecretOf(client_id)) };
}

/** As far as the redirect back. */
async function consented(provider: Provider, decision: "approve" | "deny") {
  const credentials = credentialsOf(provider);
  const required = provider.config_fields.filter((field) => field.required).map(({ name }) => name);
  const sample = Object.entries(sampleConfig(provider)).filter(([name]) => required.includes(name));
  const asked = withDefaults(provider, Object.fromEntries(sample));
  const redirect_uri = `https://connect.example/api/external-auth/callback/${provider.vendor}`;
  const verifier = provider.pkce === "S256" ? "v".repeat(43) : null;
  const scopes = [...new Set([...provider.default_scopes, ...provider.required_scopes])];
  const url = client.authorizationUrl({
    provider,
    config: asked,
    client_id: credentials.client_id,
    redirect_uri,
    state: "s".repeat(43),
    code_challenge: verifier === null ? null : createHash("sha256").update(verifier).digest("base64url"),
    scopes,
  });
  const back = new URL(
    await approveConsent(url.replace("https://", `${simulator.url}/`), { decision, account: "ada" }),
  );
  expect(back.searchParams.get("state")).toBe("s".repeat(43));
  const iss = back.searchParams.get("iss");
  expect([null, provider.issuer?.value]).toContain(iss);
  return {
    credentials,
    asked,
    scopes,
    redirect_uri,
    verifier,
    reading: client.readCallback(provider, back.searchParams),
  };
}

async function connected(provider: Provider): Promise<Trip> {
  const { reading, credentials, asked, scopes, redirect_uri, verifier } = await consented(provider, "approve");
  if (reading.kind !== "granted") throw new Error(`The redirect is ${reading.kind}.`);
  const outcome = await client.exchange({
    provider,
    config: asked,
    client: credentials,
    redirect_uri,
    callback: reading.grant,
    code_verifier: verifier === null ? null : new Secret(verifier),
    requested_scopes: scopes,
  });
  if (outcome.kind !== "ok") throw new Error(`The exchange is ${outcome.kind}: ${outcome.error}`);
  return { provider, credentials, asked, scopes, tokens: outcome.tokens };
}

const refreshed = ({ provider, credentials, asked, scopes, tokens }: Trip, refresh_token: Secret) =>
  client.refresh({
    provider,
    config: { ...asked, ...tokens.config },
    client: credentials,
    refresh_token,
    scopes,
    deadline_ms: 5000,
  });

/** What the vendor can, by its own profile; a service that follows the RFCs is played by the generic one. */
function capabilityOf(provider: Provider, capability: "refresh" | "revoke") {
  const profile = profiles.find(({ id }) => id === provider.id) ?? profiles.find(({ id }) => id === "generic");
  if (profile === undefined) throw new Error("The simulator has no generic profile.");
  return profile.capabilities[capability];
}

describe.each(all)("$id", (provider) => {
  it("connects, names the account, and its token works", async () => {
    const { asked, credentials, scopes, tokens } = await connected(provider);
    const config = { ...asked, ...tokens.config };
    const query = { provider, config, access_token: tokens.access_token };
    const identity = await client.identity({ ...query, client: credentials, token: tokens.extra });
    expect(identity).toMatchObject({ kind: "ok", account: { id: expect.stringMatching(/./) } });
    const derived = identity.kind === "ok" ? { ...config, ...identity.config } : config;
    expect(await client.health({ ...query, config: derived })).toBe("alive");
    expect(await client.health({ ...query, config: derived, access_token: new Secret("wrong") })).toBe("dead");
    expect(missingScopes(scopes, tokens.scopes ?? scopes)).toEqual([]);
    // Something that a host needs must be there, or no call could be made.
    for (const { base_url } of provider.hosts) {
      for (const [, name = ""] of base_url.matchAll(/\{(\w+)\}/g)) expect(derived).toHaveProperty(name);
    }
  });

  it("reports a refusal as one", async () => {
    expect((await consented(provider, "deny")).reading.kind).toBe("denied");
  });

  it("refreshes exactly where the vendor does, and twice in a row", async () => {
    const trip = await connected(provider);
    const { tokens } = trip;
    const supported = capabilityOf(provider, "refresh").supported;
    expect(provider.lifetime.refresh.kind !== "none").toBe(supported);
    expect(tokens.refresh_token !== null).toBe(supported);
    if (tokens.refresh_token === null) return;
    simulator.advance(90_000_000);
    const first = await refreshed(trip, tokens.refresh_token);
    expect(first).toMatchObject({ kind: "ok" });
    if (first.kind !== "ok") return;
    simulator.advance(90_000_000);
    const second = await refreshed(trip, first.tokens.refresh_token ?? tokens.refresh_token);
    expect(second).toMatchObject({ kind: "ok" });
    if (second.kind !== "ok") return;
    const config = { ...(await configOf(trip)), ...second.tokens.config };
    expect(await client.health({ provider, config, access_token: second.tokens.access_token })).toBe("alive");
  });

  it("says that the grant is dead when the person has ended it", async () => {
    const trip = await connected(provider);
    if (trip.tokens.refresh_token === null) return;
    simulator.revokeGrants({ client_id: trip.credentials.client_id });
    const kind = SAY_NOTHING.includes(provider.id) ? "retry_later" : "refused";
    expect(await refreshed(trip, trip.tokens.refresh_token)).toMatchObject({ kind });
  });

  it("says that the client is wrong when its secret is", async () => {
    const trip = await connected(provider);
    if (trip.tokens.refresh_token === null) return;
    // Tokens that renew themselves are renewed without the secret.
    if (provider.flow.kind === "authorization_code" && provider.flow.long_lived !== undefined) return;
    const credentials = { ...trip.credentials, client_secret: new Secret("wrong") };
    const kind = SAY_NOTHING.includes(provider.id) ? "retry_later" : "misconfigured";
    expect(await refreshed({ ...trip, credentials }, trip.tokens.refresh_token)).toMatchObject({ kind });
  });

  it("revokes exactly where the vendor does", async () => {
    const trip = await connected(provider);
    const { access_token, refresh_token, config } = trip.tokens;
    const call = {
      provider,
      config: { ...trip.asked, ...config },
      client: trip.credentials,
      access_token,
      refresh_token,
    };
    const result = await client.revoke(call);
    expect(result.kind).toBe(capabilityOf(provider, "revoke").supported ? "revoked" : "unsupported");
    if (result.kind !== "revoked") return;
    // Some end the one token, some the other, some both.
    const ended = [
      (await client.health({ provider, config: await configOf(trip), access_token })) === "dead",
      refresh_token !== null && (await refreshed(trip, refresh_token)).kind !== "ok",
    ];
    expect(ended).toContain(true);
  });
});

/** Settings, and everything that the vendor named. */
async function configOf({ provider, credentials, asked, tokens }: Trip): Promise<ConnectionConfig> {
  const config = { ...asked, ...tokens.config };
  const query = { provider, config, access_token: tokens.access_token, client: credentials, token: tokens.extra };
  const identity = await client.identity(query);
  return identity.kind === "ok" ? { ...config, ...identity.config } : config;
}

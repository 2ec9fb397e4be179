/**
 * Runs every service in the catalog from consent to revocation, with the real client and the
 * simulated vendor. The simulated vendors are written from the vendors' documents, not from this
 * catalog, so a wrong path or name on either side shows up.
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
import { LIMITS } from "../../src/core/limits.ts";
import { systemClock } from "../../src/core/clock.ts";
import { missingScopes } from "../../src/core/scopes.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant, type ConnectionConfig } from "../../src/core/types.ts";
import { createOAuthProtocol, type OAuthProtocol } from "../../src/oauth/protocol.ts";
import type { IssuedTokens } from "../../src/oauth/outcome.ts";
import { createHttpClient } from "../../src/net/http-client.ts";
import { validateProvider } from "../../src/providers/custom.ts";
import { providers } from "../../src/providers/index.ts";
import { withDefaults, type Provider } from "../../src/providers/provider.ts";
import acme from "./fixtures/acme.json" with { type: "json" };
import { sampleConfig } from "./samples.ts";

let simulator: Simulator;
let client: OAuthProtocol;

beforeAll(async () => {
  simulator = await startSimulator();
  const clock = { ...systemClock, now: () => instant(simulator.now()) };
  const httpClient = createHttpClient({ gateway: simulator.url, limits: LIMITS, clock });
  client = createOAuthProtocol({ httpClient, clock, limits: LIMITS });
});

afterAll(() => simulator.close());

/** The catalog, and an operator's own service from a file. */
const custom = validateProvider(acme);
const all = [...providers.values(), ...("provider" in custom ? [custom.provider] : [])];
/** At these vendors, apps get refresh tokens only if a setting enables them. */
const MODES: Readonly<Record<string, readonly ModeName[]>> = {
  github: ["rotate"],
  slack: ["rotate"],
  slackbot: ["rotate"],
  salesforce: ["rotate"],
};

/**
 * Vendors whose response is the same for a revoked grant and a wrong client, so neither is assumed.
 */
const AMBIGUOUS: readonly string[] = ["square"];

interface Trip {
  readonly provider: Provider;
  readonly credentials: { readonly client_id: string; readonly client_secret: Secret };
  readonly settings: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
  readonly tokens: IssuedTokens;
}

function credentialsOf(provider: Provider) {
  const client_id = simulatedClientId(MODES[provider.id] ?? []);
  return { client_id, client_secret: new Secret(clientSecretOf(client_id)) };
}

/** Runs the consent up to the redirect back. */
async function consented(provider: Provider, decision: "approve" | "deny") {
  const credentials = credentialsOf(provider);
  const required = provider.config_fields.filter((field) => field.required).map(({ name }) => name);
  const sample = Object.entries(sampleConfig(provider)).filter(([name]) => required.includes(name));
  const settings = withDefaults(provider, Object.fromEntries(sample));
  const redirect_uri = `https://connect.example/api/external-auth/callback/${provider.vendor}`;
  const verifier = provider.pkce === "S256" ? "v".repeat(43) : null;
  const scopes = [...new Set([...provider.default_scopes, ...provider.required_scopes])];
  const url = client.authorizationUrl({
    provider,
    config: settings,
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
    settings,
    scopes,
    redirect_uri,
    verifier,
    reading: client.readCallback(provider, back.searchParams),
  };
}

async function connected(provider: Provider): Promise<Trip> {
  const { reading, credentials, settings, scopes, redirect_uri, verifier } = await consented(provider, "approve");
  if (reading.kind !== "granted") throw new Error(`The redirect is ${reading.kind}.`);
  const outcome = await client.exchange({
    provider,
    config: settings,
    client: credentials,
    redirect_uri,
    callback: reading.grant,
    code_verifier: verifier === null ? null : new Secret(verifier),
    requested_scopes: scopes,
  });
  if (outcome.kind !== "ok") throw new Error(`The exchange is ${outcome.kind}: ${outcome.error}`);
  return { provider, credentials, settings, scopes, tokens: outcome.tokens };
}

const refreshed = ({ provider, credentials, settings, scopes, tokens }: Trip, refresh_token: Secret) =>
  client.refresh({
    provider,
    config: { ...settings, ...tokens.config },
    client: credentials,
    refresh_token,
    scopes,
    deadline_ms: 5000,
  });

/** Returns a capability of the simulated vendor. A custom service runs on the generic profile. */
function capabilityOf(provider: Provider, capability: "refresh" | "revoke") {
  const profile = profiles.find(({ id }) => id === provider.id) ?? profiles.find(({ id }) => id === "generic");
  if (profile === undefined) throw new Error("The simulator has no generic profile.");
  return profile.capabilities[capability];
}

describe.each(all)("$id", (provider) => {
  it("connects, identifies the account, and gets a token that works", async () => {
    const { settings, credentials, scopes, tokens } = await connected(provider);
    const config = { ...settings, ...tokens.config };
    const query = { provider, config, access_token: tokens.access_token };
    const identity = await client.identity({ ...query, client: credentials, token: tokens.extra });
    expect(identity).toMatchObject({ kind: "ok", account: { id: expect.stringMatching(/./) } });
    const derived = identity.kind === "ok" ? { ...config, ...identity.config } : config;
    expect(await client.health({ ...query, config: derived })).toBe("alive");
    expect(await client.health({ ...query, config: derived, access_token: new Secret("wrong") })).toBe("dead");
    expect(missingScopes(scopes, tokens.scopes ?? scopes)).toEqual([]);
    // Every value that a host needs must be present, or no call is possible.
    for (const { base_url } of provider.hosts) {
      for (const [, name = ""] of base_url.matchAll(/\{(\w+)\}/g)) expect(derived).toHaveProperty(name);
    }
  });

  it("reports a denied consent as denied", async () => {
    expect((await consented(provider, "deny")).reading.kind).toBe("denied");
  });

  it("refreshes if and only if the vendor supports it, twice in a row", async () => {
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

  it("reports the grant as refused after the user revoked it", async () => {
    const trip = await connected(provider);
    if (trip.tokens.refresh_token === null) return;
    simulator.revokeGrants({ client_id: trip.credentials.client_id });
    const kind = AMBIGUOUS.includes(provider.id) ? "retry_later" : "refused";
    expect(await refreshed(trip, trip.tokens.refresh_token)).toMatchObject({ kind });
  });

  it("reports the client as misconfigured if its secret is wrong", async () => {
    const trip = await connected(provider);
    if (trip.tokens.refresh_token === null) return;
    // Tokens that renew themselves do not need the secret for it.
    if (provider.flow.kind === "authorization_code" && provider.flow.long_lived !== undefined) return;
    const credentials = { ...trip.credentials, client_secret: new Secret("wrong") };
    const kind = AMBIGUOUS.includes(provider.id) ? "retry_later" : "misconfigured";
    expect(await refreshed({ ...trip, credentials }, trip.tokens.refresh_token)).toMatchObject({ kind });
  });

  it("revokes if and only if the vendor supports it", async () => {
    const trip = await connected(provider);
    const { access_token, refresh_token, config } = trip.tokens;
    const call = {
      provider,
      config: { ...trip.settings, ...config },
      client: trip.credentials,
      access_token,
      refresh_token,
    };
    const result = await client.revoke(call);
    expect(result.kind).toBe(capabilityOf(provider, "revoke").supported ? "revoked" : "unsupported");
    if (result.kind !== "revoked") return;
    // Some vendors revoke one token, some the other, some both.
    const revoked = [
      (await client.health({ provider, config: await configOf(trip), access_token })) === "dead",
      refresh_token !== null && (await refreshed(trip, refresh_token)).kind !== "ok",
    ];
    expect(revoked).toContain(true);
  });
});

/** Returns the settings together with every derived value. */
async function configOf({ provider, credentials, settings, tokens }: Trip): Promise<ConnectionConfig> {
  const config = { ...settings, ...tokens.config };
  const query = { provider, config, access_token: tokens.access_token, client: credentials, token: tokens.extra };
  const identity = await client.identity(query);
  return identity.kind === "ok" ? { ...config, ...identity.config } : config;
}

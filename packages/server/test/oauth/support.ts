/** A provider on loopback, a clock moved by hand, and the client under test, wired together. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import type { Clock } from "../../src/core/clock.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant, plus } from "../../src/core/types.ts";
import type { CallbackGrant } from "../../src/oauth/callback.ts";
import { createOAuthProtocol, type OAuthProtocol, type RefreshCall } from "../../src/oauth/protocol.ts";
import type { TokenOutcome } from "../../src/oauth/outcome.ts";
import { createHttpClient } from "../../src/net/http-client.ts";
import type { HttpClient } from "../../src/net/outbound.ts";
import { providers } from "../../src/providers/index.ts";
import { defineProvider, type Provider, type ProviderDefinition } from "../../src/providers/provider.ts";

export const START = instant(Date.UTC(2026, 10, 23, 12, 0, 0));

export interface ManualClock extends Clock {
  advance(ms: number): void;
}

export function manualClock(): ManualClock {
  let now = START;
  const timers = new Set<{ at: number; action: () => void }>();
  return {
    now: () => now,
    monotonic_ms: () => now - START,
    after: (delay_ms, action) => {
      const timer = { at: now + delay_ms, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => {
      now = plus(now, ms);
      for (const timer of timers) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.action();
      }
    },
  };
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly port: number;
}

export interface FakeProvider {
  readonly gateway: string;
  readonly seen: readonly Seen[];
}

/** Calls `respond` for each request, once all of it has arrived. Closes when the test ends. */
export async function fakeProvider(respond: (response: ServerResponse, seen: Seen) => void): Promise<FakeProvider> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers, socket } = request;
      const arrived = { method, url, headers, body: Buffer.concat(chunks).toString(), port: socket.remotePort ?? 0 };
      seen.push(arrived);
      respond(response, arrived);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return { gateway: `http://127.0.0.1:${portOf(server.address())}`, seen };
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("not listening on a port");
  return address.port;
}

export function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export interface Rig {
  readonly client: OAuthProtocol;
  readonly httpClient: HttpClient;
  readonly clock: ManualClock;
  readonly limits: Limits;
}

export function rig(gateway: string, limits: Partial<Limits> = {}, clock = manualClock()): Rig {
  const all = { ...LIMITS, ...limits };
  const httpClient = createHttpClient({ gateway, limits: all, clock });
  return { client: createOAuthProtocol({ httpClient, clock, limits: all }), httpClient, clock, limits: all };
}

/** Returns a provider that follows the RFCs exactly. */
export function plainProvider(changes: Partial<ProviderDefinition> = {}): Provider {
  return defineProvider({
    id: "plain",
    display_name: "Plain",
    description: "Nothing special.",
    vendor: "plain",
    docs_url: "https://plain.example/docs",
    registration: { url: "https://plain.example/apps", notes: [] },
    authorization_url: "https://plain.example/authorize",
    token_url: "https://plain.example/token",
    client_auth: "client_secret_post",
    default_scopes: ["read"],
    common_scopes: [],
    lifetime: { access_s: 3600, refresh: { kind: "stays" }, refresh_idle_s: null, refresh_absolute_s: null },
    identity: {
      from: "request",
      request: { method: "GET", url: "https://plain.example/me" },
      account: { id: "id", label: "name", email: "email" },
    },
    health: { method: "GET", url: "https://plain.example/me" },
    revocation: {
      kind: "rfc7009",
      url: "https://plain.example/revoke",
      token: "refresh_token",
      client_auth: true,
      kills_grant: false,
    },
    hosts: [{ name: "api", base_url: "https://plain.example" }],
    errors: { refused: ["grant_gone"], misconfigured: ["app_disabled"], transient: ["busy"] },
    sources: ["https://plain.example/docs"],
    unverified: [],
    ...changes,
  });
}

export function catalog(id: string): Provider {
  const provider = providers.get(id);
  if (provider === undefined) throw new Error(`no provider ${id}`);
  return provider;
}

/** Texts that must appear only in requests and in exposed secrets. */
export const CANARY = {
  access: "canary-access",
  refresh: "canary-refresh",
  secret: "canary-secret",
  code: "canary-code",
  verifier: "canary-verifier-0123456789-0123456789-0123456789",
};

export const credentials = { client_id: "client-1.2_3", client_secret: new Secret(CANARY.secret) };

/** A redirect's grant with an authorization code. */
export const codeGrant = (code = CANARY.code): CallbackGrant => ({ kind: "code", code: new Secret(code), config: {} });

export function refreshCall(provider: Provider, changes: Partial<RefreshCall> = {}): RefreshCall {
  return {
    provider,
    config: {},
    client: credentials,
    refresh_token: new Secret(CANARY.refresh),
    scopes: ["read"],
    deadline_ms: 14_000,
    ...changes,
  };
}

/** Returns the tokens of a success with their secrets exposed, so that they can be compared. */
export function opened(outcome: TokenOutcome) {
  if (outcome.kind !== "ok") return outcome;
  const { access_token, refresh_token, ...rest } = outcome.tokens;
  return { access_token: access_token.expose(), refresh_token: refresh_token?.expose() ?? null, ...rest };
}

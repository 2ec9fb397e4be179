/**
 * An independent authorization server: oidc-provider, certified for OpenID Connect, with all of its
 * strict options on. Its issuer is https://as.example.test. A gateway on loopback stands in for
 * that host, as the simulator does.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import OidcProvider from "oidc-provider";
import { onTestFinished } from "vitest";
import { throughGateway } from "../../packages/server/src/net/gateway.ts";
import { defineProvider } from "../../packages/server/src/providers/provider.ts";

const HOST = "as.example.test";
const ISSUER = `https://${HOST}`;
const REVOCATION = `${ISSUER}/token/revocation` as const;

/** The strict server, described as a catalog file would. */
export const strictProvider = defineProvider({
  id: "example",
  display_name: "Example",
  description: "An independent authorization server.",
  vendor: "example",
  docs_url: ISSUER,
  registration: { url: ISSUER, notes: [] },
  authorization_url: `https://${HOST}/auth`,
  token_url: `https://${HOST}/token`,
  client_auth: "client_secret_basic",
  default_scopes: ["email"],
  // offline_access requests the refresh token. OpenID Connect requires a consent for it each time.
  required_scopes: ["openid", "offline_access"],
  common_scopes: [],
  authorization_params: { prompt: "consent" },
  issuer: { value: ISSUER, required: true },
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: {
    from: "request",
    request: { method: "GET", url: `https://${HOST}/me` },
    account: { id: "sub", label: "name", email: "email" },
  },
  health: { method: "GET", url: `https://${HOST}/me` },
  revocation: { kind: "rfc7009", url: REVOCATION, token: "refresh_token", client_auth: true, kills_grant: false },
  hosts: [{ name: "api", base_url: `https://${HOST}` }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [],
  unverified: [],
});

export interface AuthorizationServer {
  readonly gateway: string;
  readonly provider: OidcProvider;
  /**
   * Names of the events that the server reported, in order: `grant.success`, `grant.error`,
   * `grant.revoked`.
   */
  readonly events: readonly string[];
  /**
   * Acts as the user: from the authorization URL through sign-in and consent to the callback URL.
   */
  approve(authorize_url: string): Promise<string>;
}

export interface Registration {
  readonly client_id: string;
  readonly client_secret: string;
  readonly redirect_uri: string;
}

export async function startAuthorizationServer(registration: Registration): Promise<AuthorizationServer> {
  const { client_id, client_secret, redirect_uri } = registration;
  const provider = new OidcProvider(ISSUER, {
    clients: [
      {
        client_id,
        client_secret,
        redirect_uris: [redirect_uri],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "client_secret_basic",
      },
    ],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    features: { revocation: { enabled: true }, devInteractions: { enabled: true } },
    claims: { openid: ["sub"], email: ["email", "name"] },
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.test`, name: `Person ${id}` }),
    }),
    cookies: { keys: ["only for this test"] },
    ttl: { AccessToken: 3600, RefreshToken: 86_400, Grant: 86_400, Session: 86_400, Interaction: 600, IdToken: 3600 },
  });
  // The gateway sends the host and scheme that it stands in for, as any TLS-terminating proxy does.
  provider.proxy = true;
  const events: string[] = [];
  for (const name of ["grant.success", "grant.error", "grant.revoked", "server_error"])
    provider.on(name, () => void events.push(name));

  const handle = provider.callback();
  const server = createServer((request, response) => {
    request.url = (request.url ?? "").slice(`/${HOST}`.length);
    Object.assign(request.headers, { host: HOST, "x-forwarded-host": HOST, "x-forwarded-proto": "https" });
    void handle(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const gateway = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  return { gateway, provider, events, approve: (url) => approve(gateway, url) };
}

const MAX_STEPS = 12;

async function approve(gateway: string, authorize_url: string): Promise<string> {
  const cookies = new Map<string, string>();
  let url = authorize_url;
  let form: URLSearchParams | null = null;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const reply: Response = await fetch(url, {
      method: form === null ? "GET" : "POST",
      body: form,
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
    });
    for (const line of reply.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    const location = reply.headers.get("location");
    if (location !== null && !location.startsWith(ISSUER) && !location.startsWith("/")) return location;
    if (location !== null) {
      url = throughGateway(gateway, new URL(location, ISSUER).href);
      form = null;
      continue;
    }
    const page = await reply.text();
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
    const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
    if (prompt === undefined || action === undefined) throw new Error(`${reply.status}: ${page.slice(0, 2_000)}`);
    url = throughGateway(gateway, new URL(action, ISSUER).href);
    form = new URLSearchParams({ prompt, ...(prompt === "login" ? { login: "ada", password: "any" } : {}) });
  }
  throw new Error(`The authorization server still asks after ${MAX_STEPS} steps.`);
}

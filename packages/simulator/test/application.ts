/**
 * A small OAuth application over plain fetch, for tests of the simulator. It knows only what an
 * application must know of a vendor: endpoints, client authentication, parameters.
 */
import { createHash } from "node:crypto";
import { approveConsent, clientSecretOf, startSimulator, type Consent, type Simulator } from "../src/index.ts";
import { onTestFinished } from "vitest";

export type Json = Readonly<Record<string, unknown>>;

export interface Service {
  readonly authorize: string;
  readonly token: string;
  readonly params: Readonly<Record<string, string>>;
  readonly auth: "basic" | "post";
  readonly body: "form" | "json";
  readonly headers?: Readonly<Record<string, string>>;
  readonly identity: { readonly method: string; readonly url: string; readonly headers?: Record<string, string> };
}

const CALENDAR = "https://www.googleapis.com/auth/calendar";
const slackBase = {
  authorize: "slack.com/oauth/v2/authorize",
  token: "slack.com/api/oauth.v2.access",
  auth: "basic",
  body: "form",
  identity: { method: "POST", url: "slack.com/api/auth.test" },
} as const;

export const services = {
  googlecalendar: {
    authorize: "accounts.google.com/o/oauth2/v2/auth",
    token: "oauth2.googleapis.com/token",
    params: { scope: `openid email ${CALENDAR}`, access_type: "offline", prompt: "consent" },
    auth: "post",
    body: "form",
    identity: { method: "GET", url: "openidconnect.googleapis.com/v1/userinfo" },
  },
  slack: { ...slackBase, params: { user_scope: "channels:read,chat:write" } },
  slackbot: { ...slackBase, params: { scope: "channels:read,chat:write" } },
  github: {
    authorize: "github.com/login/oauth/authorize",
    token: "github.com/login/oauth/access_token",
    params: { scope: "repo user:email" },
    auth: "post",
    body: "form",
    headers: { accept: "application/json" },
    identity: { method: "GET", url: "api.github.com/user" },
  },
  notion: {
    authorize: "api.notion.com/v1/oauth/authorize",
    token: "api.notion.com/v1/oauth/token",
    params: { owner: "user" },
    auth: "basic",
    body: "json",
    identity: { method: "GET", url: "api.notion.com/v1/users/me", headers: { "notion-version": "2022-06-28" } },
  },
  salesforce: {
    authorize: "login.salesforce.com/services/oauth2/authorize",
    token: "login.salesforce.com/services/oauth2/token",
    params: { scope: "api id refresh_token" },
    auth: "post",
    body: "form",
    identity: { method: "GET", url: "acme.my.salesforce.com/services/oauth2/userinfo" },
  },
} as const satisfies Record<string, Service>;

export type ServiceId = keyof typeof services;
export const serviceIds: readonly ServiceId[] = [
  "googlecalendar",
  "slack",
  "slackbot",
  "github",
  "notion",
  "salesforce",
];

export const REDIRECT_URI = "http://127.0.0.1:9/callback/vendor";
export const VERIFIER = "v".repeat(43);
export const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Json;
}

export async function read(response: Response): Promise<Reply> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: record(parse(text)) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function record(value: unknown): Json {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

/** Returns the tokens of a reply, at the top level or where Slack puts user tokens. */
export function tokens({ json }: Reply): { readonly access: string; readonly refresh: string } {
  const where = typeof json["access_token"] === "string" ? json : record(json["authed_user"]);
  return { access: String(where["access_token"]), refresh: String(where["refresh_token"]) };
}

export const sha256 = (value: string): string => createHash("sha256").update(value).digest("hex");

export interface Application {
  readonly client_id: string;
  authorizeUrl(params?: Readonly<Record<string, string>>): string;
  /** Returns the parameters of the callback. */
  consent(consent?: Consent, params?: Readonly<Record<string, string>>): Promise<URLSearchParams>;
  exchange(code: string, changes?: Readonly<Record<string, string>>): Promise<Reply>;
  connect(consent?: Consent): Promise<{ readonly access: string; readonly refresh: string; readonly reply: Reply }>;
  refresh(token: string, init?: RequestInit): Promise<Reply>;
  identity(access_token: string): Promise<Reply>;
}

export function application(simulator: Simulator, id: ServiceId, client_id: string): Application {
  const service: Service = services[id];
  const client_secret = clientSecretOf(client_id);
  const authorizeUrl: Application["authorizeUrl"] = (params = {}) => {
    const query = new URLSearchParams({
      client_id,
      redirect_uri: REDIRECT_URI,
      response_type: "code",
      state: "state-1",
      code_challenge: CHALLENGE,
      code_challenge_method: "S256",
      ...service.params,
      ...params,
    });
    return `${simulator.url}/${service.authorize}?${query.toString()}`;
  };
  const post = async (fields: Record<string, string>, init: RequestInit = {}): Promise<Reply> => {
    const body = service.auth === "post" ? { client_id, client_secret, ...fields } : fields;
    const pair = Buffer.from(`${client_id}:${fields["client_secret"] ?? client_secret}`).toString("base64");
    const headers = new Headers({ ...service.headers });
    if (service.auth === "basic") headers.set("authorization", `Basic ${pair}`);
    if (service.body === "json") headers.set("content-type", "application/json");
    const encoded = service.body === "json" ? JSON.stringify(body) : new URLSearchParams(body);
    const request = { method: "POST", headers, body: encoded, redirect: "manual", ...init } as const;
    return read(await fetch(`${simulator.url}/${service.token}`, request));
  };
  const self: Application = {
    client_id,
    authorizeUrl,
    consent: async (consent, params) => new URL(await approveConsent(authorizeUrl(params), consent)).searchParams,
    exchange: (code, changes = {}) =>
      post({
        grant_type: "authorization_code",
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: VERIFIER,
        ...changes,
      }),
    connect: async (consent) => {
      const callback = await self.consent(consent);
      const reply = await self.exchange(callback.get("code") ?? "");
      return { ...tokens(reply), reply };
    },
    refresh: (refresh_token, init) => post({ grant_type: "refresh_token", refresh_token }, init),
    identity: async (access_token) => {
      const { method, url, headers } = service.identity;
      const authorization = `Bearer ${access_token}`;
      return read(await fetch(`${simulator.url}/${url}`, { method, headers: { ...headers, authorization } }));
    },
  };
  return self;
}

export interface Waits {
  readonly waited_ms: number[];
}

/** Starts a simulator at a fixed instant, whose waits end immediately and are recorded. */
export async function simulation(): Promise<Simulator & Waits> {
  const waited_ms: number[] = [];
  const simulator = await startSimulator({
    clock: { now: () => Date.UTC(2026, 10, 23) },
    wait: (delay_ms) => {
      waited_ms.push(delay_ms);
      return Promise.resolve();
    },
  });
  onTestFinished(() => simulator.close());
  return { ...simulator, waited_ms };
}

/** One application at one service, over plain fetch: the flow that every service must support. */
import { approveConsent, clientSecretOf, simulatedClientId, type Consent, type Simulator } from "../../src/index.ts";
import { CHALLENGE, read, record, REDIRECT_URI, simulation, type Reply, VERIFIER } from "../application.ts";
import { families } from "./families.ts";
import { more } from "./more.ts";
import type { CallSpec, Service } from "./service.ts";
import { singles } from "./singles.ts";

export const serviceTable = { ...families, ...singles, ...more };
export type ServiceId = keyof typeof serviceTable;

const isServiceId = (id: string): id is ServiceId => Object.hasOwn(serviceTable, id);
export const serviceIds: readonly ServiceId[] = Object.keys(serviceTable)
  .filter((id) => isServiceId(id))
  .toSorted();

type Params = Readonly<Record<string, string>>;

/** The tokens of a connection, and the values of callback and reply that later calls need. */
export interface Held {
  readonly access: string;
  readonly refresh: string;
  readonly values: Params;
}

export interface ServiceApp {
  readonly simulator: Simulator;
  readonly service: Service;
  readonly client_id: string;
  authorizeUrl(changes?: Params): string;
  /** Returns the parameters of the callback. */
  consent(consent?: Consent, changes?: Params): Promise<URLSearchParams>;
  exchange(callback: URLSearchParams, changes?: Params): Promise<Reply>;
  connect(consent?: Consent, changes?: Params): Promise<Held & { readonly reply: Reply }>;
  refresh(held: Held, changes?: Params): Promise<Reply>;
  call(spec: CallSpec, held: Pick<Held, "access" | "refresh" | "values">): Promise<Reply>;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * Returns the tokens and string values of a reply, including Slack's tokens under `authed_user`.
 */
export function heldFrom({ json }: Reply, callback: Params, before?: Held): Held {
  const where = json["access_token"] === undefined ? record(json["authed_user"]) : json;
  const own = Object.entries(json).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  const refresh = text(where["refresh_token"]);
  return {
    access: text(where["access_token"]),
    refresh: refresh === "" ? (before?.refresh ?? "") : refresh,
    values: { ...before?.values, ...callback, ...Object.fromEntries(own) },
  };
}

const fill = (template: string, values: Params): string =>
  template.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);

function fillAll(value: unknown, values: Params): unknown {
  if (typeof value === "string") return fill(value, values);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fillAll(member, values)]));
}

const filled = (params: Params, values: Params): Record<string, string> =>
  Object.fromEntries(Object.entries(params).map(([name, value]) => [name, fill(value, values)]));

/** Returns the parameters of RFC 6749, or of an app's installation. */
function authorization(service: Service, client_id: string): Record<string, string> {
  if (service.refresh === "reissue") {
    return { appId: client_id, postInstallationUrl: `${REDIRECT_URI}?state=state-of-at-least-16` };
  }
  const base = { redirect_uri: REDIRECT_URI, response_type: "code", state: "state-of-at-least-16" };
  const pkce = service.pkce === false ? {} : { code_challenge: CHALLENGE, code_challenge_method: "S256" };
  return { [service.client_id_name ?? "client_id"]: client_id, ...base, ...pkce, ...service.params };
}

const isInstalled = (service: Service): boolean => service.refresh === "reissue";

export async function appFor(id: ServiceId, more_modes: readonly string[] = []): Promise<ServiceApp> {
  return appAt(await simulation(), id, more_modes);
}

export function appAt(simulator: Simulator, id: ServiceId, more_modes: readonly string[] = []): ServiceApp {
  const service: Service = serviceTable[id];
  const client_id = simulatedClientId([...(service.modes ?? []), ...more_modes]);
  const client_secret = clientSecretOf(client_id);
  const basic = Buffer.from(`${client_id}:${client_secret}`).toString("base64");

  const token = async (fields: Params): Promise<Reply> => {
    const id_name = isInstalled(service) ? "client_id" : (service.client_id_name ?? "client_id");
    const secret = fields["client_secret"] ?? client_secret;
    const body = service.auth === "post" ? { [id_name]: client_id, ...fields, client_secret: secret } : { ...fields };
    const headers = new Headers(service.token_headers);
    const pair = Buffer.from(`${client_id}:${secret}`).toString("base64");
    if (service.auth === "basic") headers.set("authorization", `Basic ${pair}`);
    if (service.body === "json") headers.set("content-type", "application/json");
    const encoded = service.body === "json" ? JSON.stringify(body) : new URLSearchParams(body);
    return read(await fetch(`${simulator.url}/${service.token}`, { method: "POST", headers, body: encoded }));
  };

  const self: ServiceApp = {
    simulator,
    service,
    client_id,
    authorizeUrl: (changes = {}) => {
      const url = new URL(`${simulator.url}/${service.authorize}`);
      const params = { ...authorization(service, client_id), ...changes };
      for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
      return url.href;
    },
    consent: async (consent, changes) =>
      new URL(await approveConsent(self.authorizeUrl(changes), consent)).searchParams,
    exchange: (callback, changes = {}) => {
      const instance_id = callback.get("instanceId");
      if (instance_id !== null) return token({ grant_type: "client_credentials", instance_id, ...changes });
      const proof = service.pkce === false ? {} : { code_verifier: VERIFIER };
      const code = callback.get("code") ?? "";
      return token({ grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI, ...proof, ...changes });
    },
    connect: async (consent, changes) => {
      const callback = await self.consent(consent, changes);
      const reply = await self.exchange(callback);
      return { ...heldFrom(reply, Object.fromEntries(callback)), reply };
    },
    refresh: ({ refresh, values }, changes = {}) => {
      if (isInstalled(service)) {
        return token({ grant_type: "client_credentials", instance_id: values["instanceId"] ?? "", ...changes });
      }
      return token({ grant_type: "refresh_token", refresh_token: refresh, ...service.refresh_params, ...changes });
    },
    call: async ({ method = "GET", url, headers: templates, form, json }, { access, refresh, values }) => {
      const places = { ...values, access, refresh, client_id, client_secret, basic };
      const headers = new Headers(filled(templates ?? { authorization: "Bearer {access}" }, places));
      if (json !== undefined) headers.set("content-type", "application/json");
      const plain = form === undefined ? null : new URLSearchParams(filled(form, places));
      const body = json === undefined ? plain : JSON.stringify(fillAll(json, places));
      const init: RequestInit = { method, headers, body };
      return read(await fetch(`${simulator.url}/${fill(url, places)}`, init));
    },
  };
  return self;
}

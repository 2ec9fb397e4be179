/** The API calls of the vendors that keep state, each with a service that it belongs to. */
import { vendors } from "../../src/vendors/index.ts";
import { stableUuid } from "../../src/engine/values.ts";
import type { TokenRoute } from "../../src/engine/types.ts";
import { serviceIds, serviceTable, type ServiceId } from "../vendors/service-app.ts";
import type { Service } from "../vendors/service.ts";

const isServiceId = (id: string): id is ServiceId => serviceIds.some((known) => known === id);

/** Headers that some vendors check before the token. */
export const HEADERS = {
  "user-agent": "test",
  "notion-version": "2022-06-28",
  "developer-token": "x",
  "xero-tenant-id": "x",
};

/** What exists in each account from the start. Other parameters are `x`. */
const PARAMETERS: Readonly<Record<string, string>> = {
  ":user": "me",
  ":calendar": "primary",
  ":spreadsheet": "sheet-1",
  ":range": "A1",
  ":file": "doc-1",
  ":owner": "ada",
  ":repo": "hello",
  "*path": "README.md",
  ":folder": "inbox",
  ":base": "appABCDEFGHIJKLMN",
  ":type": "Account",
  ":version": "v64.0",
};

/** The ids that `:id` means, by the beginning of the path. */
const IDS: readonly (readonly [string, string])[] = [
  ["/v1/documents/", "doc-1"],
  ["/v1/presentations/", "deck-1"],
  ["/crm/", "1"],
  ["/v1/pages/", stableUuid("notion page", "acme")],
  ["/v1/blocks/", stableUuid("notion page", "acme")],
  ["/v1/d", stableUuid("notion database", "acme")],
];

const filled = (path: string): string =>
  path.replaceAll(/(?<=\/)[:*]\w+/g, (parameter) => {
    const known = parameter === ":id" ? IDS.find(([prefix]) => path.startsWith(prefix))?.[1] : PARAMETERS[parameter];
    return known ?? "x";
  });

const STATEFUL = "airtable dropbox github google hubspot linear microsoft notion salesforce slack".split(" ");

/** Separators of scopes other than a blank. */
const SEPARATORS: Readonly<Record<string, string>> = { slack: ",", linear: "," };

export interface ApiCall {
  readonly name: string;
  /** `METHOD host/path`, with parameters that exist where an account has such an object. */
  readonly call: string;
  readonly vendor: string;
  readonly service: ServiceId;
  readonly route: TokenRoute;
  /** Parameters of an authorization request for every scope that the call accepts. */
  readonly scopes: Readonly<Record<string, string>>;
}

function scopeParams(service: ServiceId, vendor: string, scopes: readonly string[]): Record<string, string> {
  const { params = {} }: Service = serviceTable[service];
  const names = Object.keys(params).filter((name) => name.endsWith("scope"));
  return Object.fromEntries(names.map((name) => [name, scopes.join(SEPARATORS[vendor] ?? " ")]));
}

export const apiCalls: readonly ApiCall[] = vendors
  .filter(({ id }) => STATEFUL.includes(id))
  .flatMap((vendor) =>
    vendor.routes.flatMap((route): ApiCall[] => {
      const service = (route.serves ?? vendor.serves)[0] ?? "";
      const host = route.hosts.map(String).find((name) => !name.startsWith("/")) ?? "acme.my.salesforce.com";
      if (route.auth !== "token" || route.kind === "revoke" || route.kind === "identity" || !isServiceId(service))
        return [];
      const name = `${route.method} ${host}${route.path}`;
      const call = `${route.method} ${host}${filled(route.path)}`;
      const scopes = route.scopes === undefined ? {} : scopeParams(service, vendor.id, route.scopes);
      return [{ name, call, vendor: vendor.id, service, route, scopes }];
    }),
  );

/** The same handlers at another path or host. */
const ALIAS = /\/objects\/0-|\/2026-03\/|v1\.0\/users\/|www\.googleapis\.com\/(?:upload\/)?gmail|^GET slack/;

/** Tried by `npm test`. Those at a second address are tried by `npm run test:all`, too. */
export const mainCalls: readonly ApiCall[] = apiCalls.filter(({ name }) => !ALIAS.test(name));
export const aliasCalls: readonly ApiCall[] = apiCalls.filter(({ name }) => ALIAS.test(name));

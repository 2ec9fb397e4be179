/** Finds the endpoint of a request among all vendors. Built once, indexed by host. */
import { api } from "../oauth/api.ts";
import { authorizePage, consent } from "../oauth/authorize.ts";
import type { Call } from "../call.ts";
import { tokenEndpoint, tokenKind } from "../oauth/token.ts";
import type { HostMatch, Incoming, Kind, Reply, Vendor } from "../types.ts";
import type { World } from "../world.ts";

interface Endpoint {
  readonly vendor: Vendor;
  readonly hosts: readonly HostMatch[];
  readonly method: string;
  readonly segments: readonly string[];
  readonly secrets_in_query?: readonly string[] | undefined;
  kind(incoming: Incoming, world: World): Kind;
  run(call: Call): Reply | Promise<Reply>;
}

export interface Found {
  readonly endpoint: Endpoint;
  readonly params: Readonly<Record<string, string>>;
}

export interface Router {
  find(incoming: Incoming): Found | null;
  /** Returns the id of the vendor that serves the host, or null. */
  vendorOf(host: string): string | null;
}

const segmentsOf = (path: string): string[] => path.split("/").slice(1);

function endpointsOf(vendor: Vendor): Endpoint[] {
  const { authorize, token } = vendor;
  const at = (spec: { hosts: readonly HostMatch[]; path: string }) => ({
    vendor,
    hosts: spec.hosts,
    segments: segmentsOf(spec.path),
  });
  const pages = typeof authorize.path === "string" ? [authorize.path] : authorize.path;
  return [
    ...pages.flatMap((path): Endpoint[] => [
      { ...at({ ...authorize, path }), method: "GET", kind: () => "authorize", run: authorizePage },
      { ...at({ ...authorize, path }), method: "POST", kind: () => "consent", run: consent },
    ]),
    { ...at(token), method: "POST", kind: tokenKind(vendor), run: tokenEndpoint },
    ...vendor.routes.map((route): Endpoint => {
      const { kind } = route;
      return {
        ...at(route),
        method: route.method,
        secrets_in_query: route.secrets_in_query,
        kind: typeof kind === "function" ? kind : () => kind,
        run: (call) => api(call, route),
      };
    }),
  ];
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * Returns the name and value of a `:name` segment, or null. `:range:append` matches `A1:append`,
 * the custom methods of Google's APIs.
 */
function parameter(segment: string, part: string): readonly [string, string] | null {
  const [empty, name = "", verb] = segment.split(":");
  if (empty !== "" || part === "") return null;
  if (verb === undefined) return [name, decoded(part)];
  const value = part.slice(0, -verb.length - 1);
  return value !== "" && part.endsWith(`:${verb}`) ? [name, decoded(value)] : null;
}

/**
 * Returns the values of the `:name` segments, and of a last segment `*name` the rest of the path.
 * Returns null when the path does not match.
 */
function matchPath(segments: readonly string[], path: readonly string[]): Record<string, string> | null {
  const last = segments.at(-1) ?? "";
  const rest = last.startsWith("*") ? segments.length - 1 : null;
  if (rest === null ? segments.length !== path.length : path.length <= rest) return null;
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.slice(0, rest ?? segments.length).entries()) {
    const part = path[index] ?? "";
    const found = parameter(segment, part);
    if (found !== null) params[found[0]] = found[1];
    else if (segment !== part) return null;
  }
  if (rest !== null) params[last.slice(1)] = path.slice(rest).map(decoded).join("/");
  return params;
}

export function createRouter(vendors: readonly Vendor[]): Router {
  const named = new Map<string, Endpoint[]>();
  const patterned: { readonly pattern: RegExp; readonly endpoint: Endpoint }[] = [];
  for (const endpoint of vendors.flatMap(endpointsOf)) {
    for (const host of endpoint.hosts) {
      if (typeof host === "string") named.set(host, [...(named.get(host) ?? []), endpoint]);
      else patterned.push({ pattern: host, endpoint });
    }
  }
  const at = (host: string): Endpoint[] => [
    ...(named.get(host) ?? []),
    ...patterned.filter(({ pattern }) => pattern.test(host)).map(({ endpoint }) => endpoint),
  ];
  const match = (incoming: Incoming, path: readonly string[]): Found | null => {
    for (const endpoint of at(incoming.host)) {
      if (endpoint.method !== incoming.method) continue;
      const params = matchPath(endpoint.segments, path);
      if (params !== null) return { endpoint, params };
    }
    return null;
  };
  return {
    vendorOf: (host) => at(host)[0]?.vendor.id ?? null,
    find: (incoming) => {
      const path = segmentsOf(incoming.path);
      // Most vendors ignore a slash at the end, and their own documentation writes some.
      return match(incoming, path) ?? (path.at(-1) === "" ? match(incoming, path.slice(0, -1)) : null);
    },
  };
}

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
  knowsHost(host: string): boolean;
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

/** Returns the values of the `:name` segments, or null when the path does not match. */
function matchPath(segments: readonly string[], path: readonly string[]): Record<string, string> | null {
  if (segments.length !== path.length) return null;
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const part = path[index] ?? "";
    if (segment.startsWith(":") && part !== "") params[segment.slice(1)] = decoded(part);
    else if (segment !== part) return null;
  }
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
  return {
    knowsHost: (host) => at(host).length > 0,
    find: (incoming) => {
      const path = segmentsOf(incoming.path);
      for (const endpoint of at(incoming.host)) {
        if (endpoint.method !== incoming.method) continue;
        const params = matchPath(endpoint.segments, path);
        if (params !== null) return { endpoint, params };
      }
      return null;
    },
  };
}

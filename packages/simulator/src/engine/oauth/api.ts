/**
 * Runs the routes outside the OAuth core: revocation, identity and API calls. Owns the access token
 * check.
 */
import type { Call } from "../call.ts";
import { sameRealm } from "../call.ts";
import { authenticate } from "./client-auth.ts";
import { SimulatorFull } from "../objects.ts";
import { json } from "../reply.ts";
import { bearer } from "../http/incoming.ts";
import { renewAccess } from "./issue.ts";
import { withFaults, type LegCall } from "./leg.ts";
import type { Access, Grant } from "../state.ts";
import type { Caller, Reply, RevokedToken, Route, RouteContext, TokenProblem, TokenRoute } from "../types.ts";
import { sha256 } from "../values.ts";

type Reach = "token" | "grant" | "account";

function revokeToken(call: Call, token: string, reach: Reach, client_id?: string): RevokedToken | null {
  const { state } = call.world;
  const hash = sha256(token);
  const access = state.access_tokens.get(hash);
  const refresh = state.refresh_tokens.get(hash);
  const record = access ?? refresh;
  const grant = record === undefined ? undefined : state.grants.get(record.grant_id);
  if (record === undefined || grant === undefined || record.dead || grant.revoked_by !== null) return null;
  if (grant.vendor !== call.vendor.id || (client_id !== undefined && client_id !== grant.client_id)) return null;
  if (!sameRealm(call.vendor, grant.consent_host, call.incoming.host)) return null;
  call.event.grant_id = grant.id;
  call.event.client_id = grant.client_id;
  if (reach === "token") record.dead = true;
  else if (reach === "grant") state.revoke({ grant_id: grant.id }, "client");
  else revokeAccount(call, grant);
  return { type: access === undefined ? "refresh" : "access", client_id: grant.client_id, grant_id: grant.id };
}

/** Ends all grants of the user to the client at this authorization server. */
function revokeAccount({ world, vendor, incoming }: Call, { client_id, account }: Grant): void {
  const filter = { vendor: vendor.id, client_id, account: account.email };
  world.state.revoke(filter, "client", ({ consent_host }) => sameRealm(vendor, consent_host, incoming.host));
}

/** Returns a live access token issued for this host, or the reason it is not one. */
function accessOf(call: Call, token: string): Access | TokenProblem {
  const found = call.world.state.access(token, call.vendor.id, call.world.now());
  if (typeof found === "string") return found;
  return sameRealm(call.vendor, found.grant.consent_host, call.incoming.host) ? found : "invalid";
}

function callerOf({ world }: Call, { grant, token }: Access): Caller {
  const { id: grant_id, client_id, account, label, consent_host } = grant;
  const now = world.now();
  const token_age_s = (now - token.issued_at) / 1000;
  const expires_in = token.expires_at === null ? null : Math.floor((token.expires_at - now) / 1000);
  return { account, client_id, grant_id, label, scopes: token.scopes, consent_host, token_age_s, expires_in };
}

const legCall = (call: Call, { client_id }: Pick<Caller, "client_id">): LegCall => ({
  ...call,
  client: { client_id, client_secret: call.world.client(client_id).client_secret },
  modes: call.world.modes(client_id, call.incoming.host),
  leg: call.event.kind === "refresh" ? "refresh" : "exchange",
});

function grantOf({ world }: Call, { grant_id }: Caller): Grant {
  const grant = world.state.grants.get(grant_id);
  if (grant === undefined) throw new Error("The caller's grant was evicted from the bounded table. Raise tokens_max.");
  return grant;
}

function routeContext(call: Call): RouteContext {
  const { world, vendor, incoming, params } = call;
  return {
    incoming,
    params,
    now: world.now(),
    revokeToken: (token, reach, client_id) => revokeToken(call, token, reach, client_id),
    secretOf: (client_id) => world.client(client_id).client_secret,
    inspect: (token) => {
      const found = accessOf(call, token);
      return typeof found === "string" ? null : callerOf(call, found);
    },
    renew: (caller, life_s) => renewAccess(legCall(call, caller), grantOf(call, caller), life_s),
    checkClient: (...methods) => {
      const found = authenticate(call, methods);
      return { client_id: found.client_id ?? "", ok: found.refusal === null };
    },
    objects: (collection, owner) => world.objects.objects(vendor.id, collection, owner, world.now()),
  };
}

function denied(call: Call, route: TokenRoute, problem: TokenProblem, held: readonly string[]): Reply {
  call.event.outcome = `token_${problem}`;
  return route.denied(problem, route.scopes ?? [], held);
}

export async function api(call: Call, route: Route): Promise<Reply> {
  const refusal = route.precheck?.(call.incoming) ?? null;
  if (refusal !== null) {
    call.event.outcome = "bad_request";
    return refusal;
  }
  const context = routeContext(call);
  if (route.auth === "none") return finished(call, route.handle(context));
  const token = route.presented === undefined ? bearer(call.incoming) : route.presented(call.incoming);
  if (token === null || token === "") return denied(call, route, "missing", []);
  const found = accessOf(call, token);
  if (typeof found === "string") return denied(call, route, found, []);
  const caller = callerOf(call, found);
  call.event.client_id = caller.client_id;
  call.event.grant_id = caller.grant_id;
  const enough = route.scopes === undefined || route.scopes.some((scope) => caller.scopes.includes(scope));
  if (!enough) return denied(call, route, "scope", caller.scopes);
  const run = () =>
    finished(
      call,
      handled(() => route.handle(context, caller)),
    );
  const { kind } = call.event;
  return kind === "refresh" || kind === "code_exchange" ? withFaults(legCall(call, caller), token, run) : run();
}

/** Runs an API call. Beyond the simulator's limits it is HTTP 507, which no vendor returns. */
function handled(run: () => Reply): Reply {
  try {
    return run();
  } catch (error) {
    if (error instanceof SimulatorFull) return json(507, { error: "simulator_full", message: error.message });
    throw error;
  }
}

function finished(call: Call, reply: Reply): Reply {
  call.event.outcome = reply.status < 400 ? "ok" : "bad_request";
  return reply;
}

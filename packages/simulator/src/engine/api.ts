/** Runs the routes outside the OAuth core: revocation, identity and API calls. Owns the check of access tokens. */
import type { Call } from "./call.ts";
import { authenticate } from "./client-auth.ts";
import { bearer } from "./incoming.ts";
import type { Grant } from "./state.ts";
import type { Answer, RevokedToken, Route, RouteContext, TokenProblem, TokenRoute } from "./types.ts";
import { sha256 } from "./values.ts";

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
  call.event.grant_id = grant.id;
  call.event.client_id = grant.client_id;
  if (reach === "token") record.dead = true;
  else if (reach === "grant") state.revoke({ grant_id: grant.id }, "client");
  else state.revoke({ vendor: grant.vendor, client_id: grant.client_id, account: grant.account.email }, "client");
  return { type: access === undefined ? "refresh" : "access", client_id: grant.client_id, grant_id: grant.id };
}

function routeContext(call: Call): RouteContext {
  const { world, vendor, incoming, params } = call;
  const key = (name: string, email: string) => `${vendor.id}\n${email}\n${name}`;
  return {
    incoming,
    params,
    now: world.now(),
    revokeToken: (token, reach, client_id) => revokeToken(call, token, reach, client_id),
    checkClient: (method) => {
      const found = authenticate(call, [method]);
      return { client_id: found.client_id ?? "", ok: found.refusal === null };
    },
    made: (name, account) => world.state.things(key(name, account.email)),
    make: (name, account, thing) => world.state.addThing(key(name, account.email), thing),
  };
}

function lacksScope(route: TokenRoute, grant: Grant): boolean {
  return route.scopes !== undefined && !route.scopes.some((scope) => grant.scopes.includes(scope));
}

function denied(call: Call, route: TokenRoute, problem: TokenProblem, held: readonly string[]): Answer {
  call.event.outcome = `token_${problem}`;
  return route.denied(problem, route.scopes ?? [], held);
}

export function api(call: Call, route: Route): Answer {
  const refusal = route.precheck?.(call.incoming) ?? null;
  if (refusal !== null) {
    call.event.outcome = "bad_request";
    return refusal;
  }
  const context = routeContext(call);
  if (route.auth === "none") return finished(call, route.handle(context));
  const token = route.presented === undefined ? bearer(call.incoming) : route.presented(call.incoming);
  if (token === null || token === "") return denied(call, route, "missing", []);
  const grant = call.world.state.access(token, call.vendor.id, call.world.now());
  if (typeof grant === "string") return denied(call, route, grant, []);
  const { id: grant_id, client_id, account, label, scopes, consent_host } = grant;
  call.event.client_id = client_id;
  call.event.grant_id = grant_id;
  if (lacksScope(route, grant)) return denied(call, route, "scope", scopes);
  return finished(call, route.handle(context, { account, client_id, grant_id, label, scopes, consent_host }));
}

function finished(call: Call, answer: Answer): Answer {
  call.event.outcome = answer.status < 400 ? "ok" : "bad_request";
  return answer;
}

/**
 * The token endpoint of every vendor, with reuse detection for rotating refresh tokens (RFC 9700
 * section 4.14.2).
 *
 * Handles code exchange (RFC 6749 section 4.1.3, RFC 7636 section 4.6) and refresh (section 6). For
 * an app that is installed instead of authorized it handles client credentials (section 4.4). A
 * profile words the replies. This file decides what is checked, consumed and issued.
 */
import { authenticate } from "./client-auth.ts";
import { refuse, render, sameRealm, type Call } from "../call.ts";
import { issueTokens, type Basis } from "./issue.ts";
import { withFaults, type LegCall } from "./leg.ts";
import type { Leg } from "../modes.ts";
import { pkceProblem } from "./pkce.ts";
import type { Code, Grant, RefreshToken } from "../state.ts";
import type { Incoming, Kind, Reply, Vendor } from "../types.ts";
import { randomId, sha256 } from "../values.ts";
import type { World } from "../world.ts";

const installationGrant = ({ token }: Vendor, incoming: Incoming, world: World): Grant | undefined =>
  world.state.grants.get(incoming.fields.get(token.installation?.field ?? "") ?? "");

/**
 * A second token for the same installation serves as a refresh, although its grant type is the
 * same.
 */
function legOf(vendor: Vendor, incoming: Incoming, world: World): Leg {
  if (vendor.token.installation === undefined) {
    return incoming.fields.get("grant_type") === "refresh_token" ? "refresh" : "exchange";
  }
  return (installationGrant(vendor, incoming, world)?.newest_access ?? null) === null ? "exchange" : "refresh";
}

export const tokenKind =
  (vendor: Vendor) =>
  (incoming: Incoming, world: World): Kind =>
    legOf(vendor, incoming, world) === "refresh" ? "refresh" : "code_exchange";

function hasBadGrantType({ vendor, incoming }: Call): boolean {
  const { installation, grant_type_optional } = vendor.token;
  const grant_type = incoming.fields.get("grant_type") ?? (grant_type_optional === true ? "authorization_code" : "");
  if (installation !== undefined) return grant_type !== "client_credentials";
  return grant_type !== "authorization_code" && grant_type !== "refresh_token";
}

export async function tokenEndpoint(call: Call): Promise<Reply> {
  const { vendor, incoming, world, event } = call;
  const { fields, body_type } = incoming;
  if ((body_type !== "form" && body_type !== "json") || !vendor.token.body.includes(body_type)) {
    return refuse(call, "wrong_body");
  }
  const client = authenticate(call, vendor.token.client_auth);
  if (client.refusal !== null || client.client_id === null) return refuse(call, client.refusal ?? "no_client");
  if (hasBadGrantType(call)) return refuse(call, "bad_grant_type");
  const { client_id, client_secret } = client;
  const leg = legOf(vendor, incoming, world);
  const modes = world.modes(client_id, incoming.host);
  const legCall: LegCall = { ...call, client: { client_id, client_secret }, modes, leg };
  if (vendor.token.installation !== undefined) return issueToInstallation(legCall);
  if (leg === "exchange") return withFaults(legCall, fields.get("code") ?? "", () => exchange(legCall));
  const presented = fields.get("refresh_token") ?? "";
  trackInFlight(legCall, presented);
  return withFaults(legCall, presented, () => refresh(legCall, presented, event.refresh_token_sha256 ?? ""));
}

/** Counts the refreshes of one token in flight, until the reply was sent or the caller hung up. */
function trackInFlight(call: LegCall, presented: string): void {
  const hash = sha256(presented);
  call.event.refresh_token_sha256 = hash;
  const record = call.world.state.refresh_tokens.get(hash);
  if (record === undefined) return;
  call.event.grant_id = record.grant_id;
  record.in_flight += 1;
  record.max_in_flight = Math.max(record.max_in_flight, record.in_flight);
  call.event.in_flight = record.in_flight;
  call.world.book.recordConcurrency(record.in_flight);
  call.cleanups.push(() => {
    record.in_flight -= 1;
  });
}

function exchange(call: LegCall): Reply {
  const { world, vendor, incoming } = call;
  const code = world.state.codes.get(sha256(incoming.fields.get("code") ?? ""));
  if (code === undefined || code.vendor !== vendor.id || code.client_id !== call.client.client_id) {
    return refuse(call, "bad_code");
  }
  if (!sameRealm(vendor, code.consent_host, incoming.host)) return refuse(call, "bad_code");
  if (code.used) return refuse(call, "used_code");
  const life_s = world.codeLife(vendor.token.code_life_s, incoming.host);
  if (world.now() >= code.issued_at + life_s * 1000) return refuse(call, "expired_code");
  const redirect_uri = incoming.fields.get("redirect_uri");
  const omitted = redirect_uri === undefined && !vendor.token.redirect_uri_required;
  if (!omitted && redirect_uri !== code.redirect_uri) return refuse(call, "wrong_redirect");
  const problem = pkceProblem(code.challenge, incoming.fields.get("code_verifier"));
  if (problem !== null) return refuse(call, problem);
  code.used = true;
  const grants = code.lists.map((list) => newGrant(call, code, list));
  return issue(call, grants, code.nonce, {});
}

function newGrant(call: LegCall, code: Code, list: Code["lists"][number]): Grant {
  const { vendor, client_id, account, consent_host, offline } = code;
  const grant: Grant = {
    id: randomId(12),
    vendor,
    client_id,
    account,
    consent_host,
    offline,
    ...list,
    revoked_by: null,
    newest_access: null,
  };
  call.world.state.grants.set(grant.id, grant);
  call.event.grant_id ??= grant.id;
  return grant;
}

function refresh(call: LegCall, presented: string, hash: string): Reply {
  const { world, vendor, incoming } = call;
  const record = world.state.refresh_tokens.get(hash);
  const grant = record === undefined ? undefined : world.state.grants.get(record.grant_id);
  if (record === undefined || grant === undefined || grant.vendor !== vendor.id) return refuse(call, "bad_refresh");
  if (grant.client_id !== call.client.client_id) return refuse(call, "bad_refresh");
  if (!sameRealm(vendor, grant.consent_host, incoming.host)) return refuse(call, "bad_refresh");
  if (record.dead || grant.revoked_by !== null) return refuse(call, "revoked_refresh");
  const now = world.now();
  if (record.expires_at !== null && record.expires_at <= now) return refuse(call, "expired_refresh");
  if (isReuse(call, record, now)) return refuseReuse(call, grant);
  const basis = { refresh: { token: presented, record }, scopes: requestedScopes(call, grant) };
  return issue(call, [grant], undefined, basis);
}

/**
 * Returns the scopes of the new token. A refresh can request fewer scopes, never more (RFC 6749
 * section 6).
 */
function requestedScopes({ vendor, incoming }: LegCall, grant: Grant): readonly string[] {
  const { scope_on_refresh } = vendor.token;
  const requested = incoming.fields.get("scope");
  if (scope_on_refresh === undefined) return grant.scopes;
  if (requested === undefined) return scope_on_refresh === "required" ? [] : grant.scopes;
  const names = requested.split(/[ ,]+/);
  return grant.scopes.filter((scope) => names.includes(scope));
}

/**
 * Issues a token to an installed app. Its id is no secret: the client's credentials are the proof.
 */
async function issueToInstallation(call: LegCall): Promise<Reply> {
  const { vendor, incoming, world, event, client } = call;
  const grant = installationGrant(vendor, incoming, world);
  const known = grant !== undefined && grant.vendor === vendor.id && grant.client_id === client.client_id;
  if (!known) return refuse(call, "bad_refresh");
  event.grant_id = grant.id;
  return withFaults(call, grant.id, () =>
    grant.revoked_by === null ? issue(call, [grant], undefined, {}) : refuse(call, "revoked_refresh"),
  );
}

function isReuse(call: LegCall, record: RefreshToken, now: number): boolean {
  if (record.used_at === null) return false;
  const grace_s = call.modes.seconds("reuse-ok") ?? call.vendor.token.policy(call.modes).reuse_grace_s ?? 0;
  return now >= record.used_at + grace_s * 1000;
}

/**
 * The second use is the application's or a thief's. The vendor cannot tell which, so most
 * vendors end the grant for both.
 */
function refuseReuse(call: LegCall, grant: Grant): Reply {
  if (call.vendor.token.policy(call.modes).on_reuse === "refused") return refuse(call, "used_refresh");
  call.world.state.revoke({ grant_id: grant.id }, "reuse");
  const { id: grant_id, vendor, client_id } = grant;
  call.world.book.recordRevokedFamily({ at: call.world.now(), vendor, client_id, grant_id });
  return refuse(call, "used_refresh");
}

function issue(call: LegCall, grants: readonly Grant[], nonce: string | undefined, basis: Basis): Reply {
  const { world, vendor, modes, leg, client } = call;
  const [first] = grants;
  if (first === undefined) return refuse(call, "bad_code");
  const issued = grants.map((grant) => issueTokens(call, grant, basis));
  call.event.outcome = "ok";
  const { account, consent_host } = first;
  const context = { leg, issued, modes, nonce, account, consent_host, now: world.now(), ...client };
  return render(call, 200, vendor.token.successBody(context));
}

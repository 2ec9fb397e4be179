/**
 * The token endpoint of every vendor: code exchange (RFC 6749 section 4.1.3, RFC 7636 section 4.6) and refresh
 * (section 6), with reuse detection for rotating refresh tokens (RFC 9700 section 4.14.2).
 *
 * A profile words the answers; what is checked, consumed and issued is decided here. Faults come around that: `before`
 * in place of processing, `after` on its answer.
 */
import { authenticate, type Authenticated } from "./client-auth.ts";
import { refuse, render, type Call } from "./call.ts";
import { AFTER, BEFORE, isKey, shaped, type FaultContext } from "./faults.ts";
import type { Leg, Modes } from "./modes.ts";
import { pkceProblem } from "./pkce.ts";
import type { Code, Grant, RefreshToken } from "./state.ts";
import type { Answer, Incoming, Issued, Kind } from "./types.ts";
import { randomId, sha256 } from "./values.ts";

interface TokenCall extends Call {
  readonly client: Authenticated & { readonly client_id: string };
  readonly modes: Modes;
  readonly leg: Leg;
}

export const tokenKind = (incoming: Incoming): Kind =>
  incoming.fields.get("grant_type") === "refresh_token" ? "refresh" : "code_exchange";

export async function tokenEndpoint(call: Call): Promise<Answer> {
  const { fields, body_type } = call.incoming;
  const { token } = call.vendor;
  if (body_type === "other" || body_type === "none" || !token.body.includes(body_type)) {
    return refuse(call, "wrong_body");
  }
  const client = authenticate(call, token.client_auth);
  if (client.refusal !== null || client.client_id === null) return refuse(call, client.refusal ?? "no_client");
  const grant_type = fields.get("grant_type") ?? (token.grant_type_optional === true ? "authorization_code" : "");
  if (grant_type !== "authorization_code" && grant_type !== "refresh_token") return refuse(call, "bad_grant_type");
  const modes = call.world.modes(client.client_id, call.incoming.host);
  const leg = grant_type === "refresh_token" ? "refresh" : "exchange";
  const tokenCall = { ...call, client: { ...client, client_id: client.client_id }, modes, leg } as const;
  if (leg === "refresh") trackFlight(tokenCall, fields.get("refresh_token") ?? "");
  return withFaults(tokenCall, () => (leg === "refresh" ? refresh(tokenCall) : exchange(tokenCall)));
}

/** Counts how many refreshes of one token are under way, until the answer has left or the caller is gone. */
function trackFlight(call: TokenCall, presented: string): void {
  const hash = sha256(presented);
  call.event.refresh_token_sha256 = hash;
  const record = call.world.state.refresh_tokens.get(hash);
  if (record === undefined) return;
  call.event.grant_id = record.grant_id;
  record.in_flight += 1;
  record.max_in_flight = Math.max(record.max_in_flight, record.in_flight);
  call.event.in_flight = record.in_flight;
  call.world.book.concurrent(record.in_flight);
  call.afterwards.push(() => {
    record.in_flight -= 1;
  });
}

async function withFaults(call: TokenCall, process: () => Answer): Promise<Answer> {
  const { event, client, leg } = call;
  const presented = call.incoming.fields.get(leg === "refresh" ? "refresh_token" : "code") ?? "";
  const due = call.world.due(call.modes, leg, event.grant_id ?? sha256(presented));
  const context = { call, presented, client_secret: client.client_secret, grant_id: event.grant_id };
  let answer = await before(context, due);
  if (answer === null) answer = process();
  for (const mode of due) {
    if (!isKey(AFTER, mode.name)) continue;
    event.faults.push(mode.text);
    // One after the other: `slow+drop-after` first waits, then hangs up.
    answer = await AFTER[mode.name]({ ...context, mode }, answer);
  }
  return answer;
}

async function before(context: Omit<FaultContext, "mode">, due: Modes["all"]): Promise<Answer | null> {
  const { event } = context.call;
  for (const mode of due) {
    if (!isKey(BEFORE, mode.name)) continue;
    event.faults.push(mode.text);
    // One after the other: `stall+500` first waits, then fails.
    const answer = await BEFORE[mode.name]({ ...context, mode });
    if (answer === null) continue;
    if (event.outcome === "pending") event.outcome = "fault";
    return answer;
  }
  return null;
}

function exchange(call: TokenCall): Answer {
  const { world, vendor, incoming } = call;
  const code = world.state.codes.get(sha256(incoming.fields.get("code") ?? ""));
  if (code === undefined || code.vendor !== vendor.id || code.client_id !== call.client.client_id) {
    return refuse(call, "bad_code");
  }
  if (code.used) return refuse(call, "used_code");
  const life_s = world.codeLife(vendor.token.code_life_s, incoming.host);
  if (world.now() >= code.issued_at + life_s * 1000) return refuse(call, "expired_code");
  const redirect_uri = incoming.fields.get("redirect_uri");
  const left_out = redirect_uri === undefined && !vendor.token.redirect_uri_required;
  if (!left_out && redirect_uri !== code.redirect_uri) return refuse(call, "wrong_redirect");
  const problem = pkceProblem(code.challenge, incoming.fields.get("code_verifier"));
  if (problem !== null) return refuse(call, problem);
  code.used = true;
  const grants = code.lists.map((list) => newGrant(call, code, list));
  return issue(call, grants, code.nonce);
}

function newGrant(call: TokenCall, code: Code, list: Code["lists"][number]): Grant {
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

function refresh(call: TokenCall): Answer {
  const { world, vendor, event } = call;
  const record = world.state.refresh_tokens.get(event.refresh_token_sha256 ?? "");
  const grant = record === undefined ? undefined : world.state.grants.get(record.grant_id);
  if (record === undefined || grant === undefined || grant.vendor !== vendor.id) return refuse(call, "bad_refresh");
  if (grant.client_id !== call.client.client_id) return refuse(call, "bad_refresh");
  if (record.dead || grant.revoked_by !== null) return refuse(call, "revoked_refresh");
  const now = world.now();
  if (record.expires_at !== null && record.expires_at <= now) return refuse(call, "expired_refresh");
  if (isReuse(call, record, now)) return revokeFamily(call, grant);
  return issue(call, [grant], undefined, record);
}

function isReuse(call: TokenCall, record: RefreshToken, now: number): boolean {
  if (record.used_at === null) return false;
  const grace_s = call.modes.seconds("reuse-ok");
  return grace_s === undefined || now >= record.used_at + grace_s * 1000;
}

/** Either the application or a thief used the token twice; nobody can tell which, so both lose it. */
function revokeFamily(call: TokenCall, grant: Grant): Answer {
  call.world.state.revoke({ grant_id: grant.id }, "reuse");
  const { id: grant_id, vendor, client_id } = grant;
  call.world.book.familyRevoked({ at: call.world.now(), vendor, client_id, grant_id });
  return refuse(call, "used_refresh");
}

function issue(call: TokenCall, grants: readonly Grant[], nonce: string | undefined, used?: RefreshToken): Answer {
  const { world, vendor, modes, leg } = call;
  const [first] = grants;
  if (first === undefined) return refuse(call, "bad_code");
  const issued = grants.map((grant) => shaped(issueOne(call, grant, used), modes));
  call.event.outcome = "ok";
  const body = vendor.token.answer({
    leg,
    issued,
    modes,
    nonce,
    account: first.account,
    consent_host: first.consent_host,
    now: world.now(),
    client_id: call.client.client_id,
    client_secret: call.client.client_secret,
  });
  return render(call, 200, body);
}

function issueOne(call: TokenCall, grant: Grant, used: RefreshToken | undefined): Issued {
  const { world, vendor, modes, leg } = call;
  const now = world.now();
  const policy = world.policy(vendor.token.policy(modes), modes, call.incoming.host, grant.offline);
  const killed =
    leg === "refresh" && policy.old_access_dies ? world.state.access_tokens.get(grant.newest_access ?? "") : undefined;
  if (killed !== undefined) killed.dead = true;
  const access_token = vendor.token.mintAccess(grant.label, policy);
  const life_s = policy.access_life_s;
  const dead = leg === "refresh" && modes.has("access-dead");
  world.state.addAccess(access_token, { grant_id: grant.id, expires_at: until(now, life_s), dead });
  const renew = grant.offline && (leg === "exchange" || policy.rotates);
  const refresh_token = renew ? vendor.token.mintRefresh(grant.label) : undefined;
  if (refresh_token !== undefined) world.state.addRefresh(refresh_token, grant.id, until(now, policy.refresh_life_s));
  if (used !== undefined && policy.rotates) used.used_at ??= now;
  world.book.issued(vendor.id, 1, refresh_token === undefined ? 0 : 1);
  return {
    label: grant.label,
    scopes: grant.scopes,
    access_token,
    refresh_token,
    expires_in: policy.announces_expiry && life_s !== null ? Math.floor(life_s) : undefined,
    refresh_token_expires_in: refresh_token === undefined ? undefined : (policy.refresh_life_s ?? undefined),
  };
}

const until = (now: number, life_s: number | null): number | null => (life_s === null ? null : now + life_s * 1000);

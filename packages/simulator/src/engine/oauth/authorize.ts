/**
 * The authorization endpoint and the consent form (RFC 6749 section 4.1.1, RFC 7636 section 4.3,
 * RFC 9207).
 *
 * Stateless: the form posts to the authorization URL itself, so a test can skip the page and post
 * `decision=approve|deny` there. Errors in the client, redirect URI or mode are shown, never
 * redirected (section 4.1.2.1).
 */
import { html, redirect } from "../reply.ts";
import type { Call } from "../call.ts";
import { knownModes, modesOfClientId, type Modes } from "../modes.ts";
import { consentPage, errorPage } from "../http/page.ts";
import type { Challenge } from "./pkce.ts";
import type { Account, ConsentContext, ParameterNames, Reply, ScopeList } from "../types.ts";
import type { Code } from "../state.ts";
import { parseAccount, sha256 } from "../values.ts";

const DEFAULT_ACCOUNT = "ada";
const WRONG_ISSUER = "https://issuer.invalid";
const HOPPED = "sim_hop";

interface RequestedScopes {
  readonly list: ScopeList;
  readonly scopes: readonly string[];
}

interface AuthorizationRequest {
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly challenge: Challenge | null;
  readonly lists: readonly RequestedScopes[];
  readonly modes: Modes;
}

const showError = (call: Call, outcome: string, description: string): Reply => {
  call.event.outcome = outcome;
  return html(400, errorPage(`${call.vendor.name} (simulated) refused the request`, description));
};

const isLoopback = (url: URL): boolean => ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);

/** Reads a parameter under the vendor's own name for it. */
function parameter(call: Call, name: keyof ParameterNames): string {
  const own = call.vendor.authorize.names?.[name] ?? name;
  const values = [own].flat().map((alias) => call.incoming.query.get(alias) ?? "");
  return values.find((value) => value !== "") ?? "";
}

function redirectProblem(call: Call, redirect_uri: string, registered: readonly string[] | undefined): string | null {
  const url = URL.parse(redirect_uri);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return "redirect_uri is missing or not an http(s) URL.";
  }
  if (redirect_uri.includes("#")) return "redirect_uri must not have a fragment.";
  const plain = url.protocol === "http:" && !isLoopback(url);
  if (plain && call.vendor.authorize.http_redirects !== true) {
    return "redirect_uri must be https unless it is a loopback address.";
  }
  const compared = call.vendor.authorize.redirect_query_ignored === true ? redirect_uri.split("?")[0] : redirect_uri;
  if (registered !== undefined && !registered.includes(compared ?? "")) {
    return "redirect_uri is not registered for this client.";
  }
  return null;
}

function requestedScopes(call: Call): RequestedScopes[] {
  return call.vendor.authorize.scope_lists.map((list) => {
    const requested = call.incoming.query.get(list.param) ?? "";
    return { list, scopes: [...new Set(requested.split(list.separator).map((scope) => scope.trim()))].filter(Boolean) };
  });
}

/** Returns the parsed request, or the reply that refuses it. */
function readRequest(call: Call): AuthorizationRequest | Reply {
  const { query, host } = call.incoming;
  const { authorize } = call.vendor;
  const client_id = parameter(call, "client_id");
  call.event.client_id = client_id === "" ? null : client_id;
  if (client_id === "") return showError(call, "no_client", `${authorize.names?.client_id ?? "client_id"} is missing.`);
  const { unknown } = modesOfClientId(client_id);
  if (unknown.length > 0) {
    const description = `Unknown simulator mode in the client id: ${unknown.join(", ")}. ${knownModes()}`;
    return showError(call, "unknown_mode", description);
  }
  const redirect_uri = parameter(call, "redirect_uri");
  const problem = redirectProblem(call, redirect_uri, call.world.client(client_id).redirect_uris);
  if (problem !== null) return showError(call, "wrong_redirect", problem);
  const modes = call.world.modes(client_id, host);
  const lists = requestedScopes(call);
  const fault = (error: string, description: string): Reply => {
    call.event.outcome = error;
    return callback(call, { redirect_uri, modes }, { error, error_description: description });
  };
  const short = (query.get("state") ?? "").length < (authorize.state_min_length ?? 0);
  if (short) return fault("invalid_request", "state is missing or too short");
  const type = query.get("response_type") ?? (authorize.response_type_required === true ? "" : "code");
  if (type !== "code") return fault("unsupported_response_type", "response_type must be code.");
  if (authorize.scope_required === true && lists.every(({ scopes }) => scopes.length === 0)) {
    return fault("invalid_scope", "No scope was requested.");
  }
  const challenge = readChallenge(call);
  if (challenge === "missing") return fault("invalid_request", "missing required code challenge");
  if (challenge === "method") return fault("invalid_request", "code_challenge_method is not supported");
  return { client_id, redirect_uri, challenge, lists, modes };
}

function readChallenge(call: Call): Challenge | null | "missing" | "method" {
  const { pkce, pkce_plain, challenge_encoding: encoding = "base64url" } = call.vendor.authorize;
  if (pkce === "ignored") return null;
  const value = call.incoming.query.get("code_challenge") ?? "";
  if (value === "") return pkce === "required" ? "missing" : null;
  const method = call.incoming.query.get("code_challenge_method") ?? "plain";
  return method === "S256" || (method === "plain" && pkce_plain === true) ? { value, method, encoding } : "method";
}

/** Redirects to the application with the state as sent, and the issuer if the vendor sends one. */
function callback(
  call: Call,
  request: Pick<AuthorizationRequest, "redirect_uri" | "modes">,
  params: Readonly<Record<string, string>>,
): Reply {
  const url = new URL(request.redirect_uri);
  const state = call.incoming.query.get("state");
  const issuer = request.modes.has("wrong-iss") ? WRONG_ISSUER : call.vendor.authorize.issuer;
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  if (state !== null) url.searchParams.set("state", state);
  if (issuer !== undefined) url.searchParams.set("iss", issuer);
  return redirect(303, url.href);
}

/**
 * Redirects to this page under the other loopback name: another origin to the browser, the same
 * simulator.
 */
function hop(call: Call): Reply {
  const url = new URL(`${call.origin}/${call.incoming.host}${call.incoming.path}?${call.incoming.query.toString()}`);
  url.hostname = url.hostname === "localhost" ? "127.0.0.1" : "localhost";
  url.searchParams.set(HOPPED, "1");
  call.event.outcome = "ok";
  return redirect(302, url.href);
}

export function authorizePage(call: Call): Reply {
  const request = readRequest(call);
  if ("status" in request) return request;
  if (request.modes.has("hop") && !call.incoming.query.has(HOPPED)) return hop(call);
  call.event.outcome = "ok";
  const { vendor, incoming } = call;
  const action = `/${incoming.host}${incoming.path}?${incoming.query.toString()}`;
  return html(200, consentPage({ ...request, vendor, action, account: DEFAULT_ACCOUNT }));
}

export function consent(call: Call): Reply {
  const request = readRequest(call);
  if ("status" in request) return request;
  const { fields } = call.incoming;
  const decision = fields.get("decision");
  if (decision === "deny") {
    call.event.outcome = "denied";
    return callback(call, request, { error: "access_denied", ...call.vendor.authorize.denied });
  }
  if (decision !== "approve") return showError(call, "no_decision", "decision must be approve or deny.");
  const account = parseAccount(fields.get("account") ?? DEFAULT_ACCOUNT);
  if (account === null) return showError(call, "no_account", "account must be a name such as ada, or ada@globex.");
  call.event.outcome = "ok";
  return approve(call, request, account);
}

/** Returns the scopes that the user left checked. A form without `granular` grants all of them. */
function granted(call: Call, { list, scopes }: RequestedScopes, modes: Modes): readonly string[] {
  const { fields, lists } = call.incoming;
  const checked = fields.has("granular") ? (lists.get(list.param) ?? []) : scopes;
  const kept = scopes.filter((scope) => checked.includes(scope));
  return modes.has("partial-scopes") ? kept.slice(0, -1) : kept;
}

function approve(call: Call, request: AuthorizationRequest, account: Account): Reply {
  const { world, vendor, incoming } = call;
  const { client_id, redirect_uri, challenge, modes } = request;
  const scopesOf = (one: RequestedScopes) => ({ label: one.list.label, scopes: granted(call, one, modes) });
  const lists = byLabel(request.lists.map(scopesOf));
  const nonempty = lists.filter(({ scopes }) => scopes.length > 0);
  const approval = `${vendor.id}\n${client_id}\n${account.email}`;
  const context: ConsentContext = {
    query: incoming.query,
    modes,
    account,
    client_id,
    client_secret: world.client(client_id).client_secret,
    now: world.now(),
    scopes: nonempty.flatMap(({ scopes }) => scopes),
    first_consent: !world.state.approvals.has(approval),
  };
  world.state.approvals.set(approval, true);
  const params = vendor.authorize.callback?.(context) ?? {};
  if (vendor.token.installation !== undefined) {
    install(call, vendor.token.installation.id(account, client_id), client_id, account);
    return callback(call, request, params);
  }
  const code = vendor.token.newCode();
  world.state.codes.set(sha256(code), {
    vendor: vendor.id,
    client_id,
    account,
    consent_host: incoming.host,
    redirect_uri,
    challenge,
    // A vendor without scopes still issues one token, and so does one whose scopes were all
    // unchecked.
    lists: nonempty.length > 0 ? nonempty : lists.slice(0, 1),
    offline: vendor.authorize.offline(context) && !modes.has("no-refresh-token"),
    nonce: incoming.query.get("nonce") ?? undefined,
    issued_at: world.now(),
    used: false,
  });
  return callback(call, request, { code, ...params });
}

type GrantedList = Code["lists"][number];

/** Merges lists with the same label: they lead to one token. */
function byLabel(lists: readonly GrantedList[]): GrantedList[] {
  const labels = [...new Set(lists.map(({ label }) => label))];
  return labels.map((label) => {
    const scopes = lists.filter((list) => list.label === label).flatMap((list) => list.scopes);
    return { label, scopes: [...new Set(scopes)] };
  });
}

/** Stores a grant without a code: the installation is the grant, and its id requests the tokens. */
function install(call: Call, id: string, client_id: string, account: Account): void {
  const { state } = call.world;
  state.grants.set(id, {
    id,
    vendor: call.vendor.id,
    client_id,
    account,
    label: "installation",
    scopes: [],
    consent_host: call.incoming.host,
    offline: false,
    revoked_by: null,
    newest_access: null,
  });
}

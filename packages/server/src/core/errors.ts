/**
 * The closed table of errors: each code has one HTTP status, says whether trying again can help, who must act, and a
 * sentence that tells a person what to do. `docs/errors.md` is generated from it. A retired code stays listed in
 * RETIRED, so that it is never given another meaning.
 *
 * Wire body (both public clients need strings in `message` and `detail`):
 * `{ message, detail, code, request_id, retryable, extra_data? }`.
 */

/** Who can end the situation. `caller`: the code that sent the request. `nobody`: it passes by itself. */
export type Actor = "caller" | "builder" | "operator" | "provider" | "nobody";

interface ErrorRow {
  readonly status: number;
  readonly retryable: boolean;
  readonly who_must_act: Actor;
  readonly message: string;
  /** Exit code of a command that ends with this error, where the status does not already say it. */
  readonly exit_code?: number;
}

const row = (
  status: number,
  who_must_act: Actor,
  message: string,
  options: { retryable?: boolean; exit_code?: number } = {},
): ErrorRow => ({
  status,
  who_must_act,
  message,
  retryable: options.retryable ?? false,
  ...(options.exit_code === undefined ? {} : { exit_code: options.exit_code }),
});

const again = { retryable: true };

export const ERRORS = {
  // The request itself.
  route_not_found: row(404, "caller", "There is no such address here. Check the path."),
  method_not_allowed: row(405, "caller", "This address does not take that method. See the Allow header."),
  unsupported_media_type: row(415, "caller", "Send the body as application/json."),
  invalid_json: row(400, "caller", "The body is not valid JSON."),
  forbidden_key: row(400, "caller", "The body has a key that is never allowed, such as __proto__. Remove it."),
  body_too_large: row(413, "caller", "The body is larger than 256 KiB."),
  url_too_long: row(414, "caller", "The address is longer than 8 KiB."),
  headers_too_large: row(431, "caller", "The headers are larger than 16 KiB in all."),
  invalid_field: row(400, "caller", "A field has a wrong value. extra_data.errors names each one."),
  unknown_field: row(400, "caller", "The body has a field that this address does not know. Remove it."),
  bad_request: row(400, "caller", "The request could not be understood."),
  request_timeout: row(408, "caller", "The request took too long to arrive.", again),

  // Credentials.
  missing_token: row(401, "caller", "Send a token: Authorization: Bearer <service token>."),
  malformed_token: row(401, "caller", "The Authorization header must be exactly: Bearer <token>."),
  invalid_token: row(401, "caller", "Unauthorized"),
  token_expired: row(
    401,
    "caller",
    "This token is past its expiry. Create a new one: holdfast tokens create --app APP.",
  ),
  token_revoked: row(401, "caller", "This token was revoked. Create a new one: holdfast tokens create --app APP."),
  token_in_url: row(
    401,
    "caller",
    "A token in the address is never accepted, since addresses end up in logs. Revoke it, and send a new one in the Authorization header.",
  ),
  service_token_required: row(403, "caller", "This endpoint is only accessible to service tokens"),
  builder_required: row(
    403,
    "caller",
    "This address takes a builder's credential: the header api_key with an API key (b44k_...), or a signed-in session.",
  ),
  sign_in_required: row(
    401,
    "builder",
    "Sign in first. Whoever has no account is invited by a member of a workspace; for the first one holdfast setup-link prints a link on the server's machine.",
  ),
  sign_in_failed: row(401, "builder", "The e-mail address or the password is wrong."),
  setup_link_invalid: row(
    400,
    "operator",
    "This setup link was used already, or is older than an hour. On the server's machine, holdfast setup-link prints a new one.",
  ),
  invitation_invalid: row(
    400,
    "builder",
    "This invitation was used or taken back, or is older than seven days. Ask for a new one.",
  ),
  insufficient_role: row(
    403,
    "builder",
    "Your role in this workspace does not allow that. An administrator of the workspace can change it.",
  ),
  plan_upgrade_required: row(
    403,
    "builder",
    "Connectors need the plan builder or a higher one. An administrator of the workspace can change its plan.",
  ),
  functions_disabled: row(
    403,
    "builder",
    "Functions are switched off for this app, so its service tokens are refused. An administrator of the workspace can switch them on.",
  ),
  csrf: row(
    403,
    "caller",
    "This change must come from a page of this server. Open the page again and repeat it there.",
  ),
  user_code_invalid: row(
    400,
    "builder",
    "That code is not known, or is older than ten minutes. Compare it with the one that the command line shows, or start the login again there.",
  ),
  rate_limited: row(
    429,
    "caller",
    "Too many requests. Wait for as many seconds as the Retry-After header says.",
    again,
  ),
  not_found: row(404, "caller", "Not found."),

  // Services, connections, tokens.
  invalid_service: row(
    400,
    "caller",
    "That is not the name of a service: use 1 to 64 lower-case letters, digits, _ or -.",
  ),
  unknown_service: row(404, "caller", "This server knows no such service. holdfast providers list shows all of them."),
  not_connected: row(404, "builder", "This app has no connection to that service. Connect an account first."),
  connection_expired: row(
    409,
    "builder",
    "The connection needs a new consent. Open reconnect_url and connect the account again.",
  ),
  connection_disconnected: row(
    409,
    "builder",
    "The connection was disconnected. Open reconnect_url and connect an account again.",
  ),
  credential_unreadable: row(
    500,
    "operator",
    "The stored credentials of this connection cannot be decrypted; nothing was changed. Connect the account again, or restore the database and key that belong together.",
  ),
  refresh_pending: row(
    503,
    "nobody",
    "A refresh of this connection is being cleared up after an interruption. Try again shortly.",
    again,
  ),
  refresh_busy: row(503, "nobody", "Too many callers wait for this connection's refresh. Try again shortly.", again),
  refresh_too_soon: row(
    429,
    "caller",
    "This token was issued less than a minute ago. If the API refuses it too, look at the API's error: a new token will not help.",
    again,
  ),
  min_valid_unavailable: row(
    409,
    "caller",
    "No access token of this connection lives that long. Ask for fewer min_valid_seconds.",
  ),
  https_redirect_required: row(
    409,
    "operator",
    "This provider redirects to https addresses only. Serve Holdfast under https and set HOLDFAST_PUBLIC_URL to that address.",
  ),
  provider_unavailable: row(
    503,
    "provider",
    "The provider could not be reached or did not answer properly, and the stored token is over.",
    again,
  ),
  oauth_client_rejected: row(
    502,
    "builder",
    "The provider refuses the OAuth client's id or secret. Set the right ones: holdfast clients set TYPE.",
  ),
  oauth_client_missing: row(
    409,
    "builder",
    "No OAuth client is set for this service. Register one at the provider, then: holdfast clients set TYPE --client-id ID --client-secret-stdin.",
  ),

  // Connecting an account.
  invalid_scope: row(400, "caller", "A scope has characters that no scope may have (RFC 6749 section 3.3)."),
  invalid_connection_config: row(
    400,
    "caller",
    "A connection setting has a wrong value. extra_data.errors names each one.",
  ),
  missing_connection_config: row(
    400,
    "caller",
    "A required connection setting is missing. extra_data.errors names it.",
  ),
  invalid_return_to: row(400, "caller", "return_to must be a path on this server, such as /apps."),
  too_many_flows: row(429, "caller", "Too many consents are pending. Finish one, or wait ten minutes.", again),
  flow_not_found: row(404, "builder", "This connect link does not exist. Start again from the app."),
  flow_expired: row(400, "builder", "This connect link is older than ten minutes. Start again from the app."),
  state_missing: row(
    400,
    "builder",
    "The provider's answer carries no state, so it cannot be matched to a consent that was started here. Start again.",
  ),
  state_unknown: row(400, "builder", "The provider's answer belongs to no consent that was started here. Start again."),
  state_used: row(400, "builder", "This consent was already finished. Start again if the account is not connected."),
  state_expired: row(400, "builder", "The consent took longer than ten minutes. Start again."),
  state_session_mismatch: row(
    400,
    "builder",
    "The consent came back in another browser than the one that started it, so nothing was connected. Start again in one browser.",
  ),
  flow_user_mismatch: row(
    403,
    "builder",
    "You are signed in as someone else than the person who started this consent, so nothing was connected.",
  ),
  flow_context_mismatch: row(
    400,
    "builder",
    "The answer arrived at another service's redirect address, so nothing was connected. Check the redirect URI that is registered with the provider.",
  ),
  issuer_mismatch: row(
    400,
    "builder",
    "The answer does not come from the provider that was asked, so nothing was connected.",
  ),
  duplicate_parameter: row(400, "builder", "The provider's answer has a parameter twice, so nothing was connected."),
  callback_invalid: row(400, "builder", "The provider's answer carries neither a code nor an error. Start again."),
  consent_denied: row(400, "builder", "The account's owner, or the provider, declined. Nothing was connected."),
  code_exchange_failed: row(
    400,
    "builder",
    "The provider accepted the consent, but refused to issue tokens. Nothing was connected.",
  ),
  account_changed: row(
    409,
    "builder",
    "This consent is of another account than the one that is connected. Nothing was changed; confirm the change on the result page, or connect the first account again.",
  ),
  connector_blocked: row(
    403,
    "builder",
    "This service is switched off for the workspace's apps. An administrator of the workspace can switch it on again.",
  ),

  // Apps and what belongs to them.
  invalid_name: row(400, "caller", "A name has 1 to 100 visible characters."),
  invalid_email: row(400, "caller", "That is not an e-mail address."),
  invalid_password: row(400, "caller", "A password has 10 to 128 characters."),
  limit_reached: row(409, "caller", "There are as many of these as there may be. Remove one first."),
  last_owner: row(409, "caller", "A workspace needs an owner. Make somebody else an owner first."),
  workspace_not_empty: row(
    409,
    "caller",
    "The workspace still has apps. Delete them first, or delete it with all of them.",
  ),
  no_account: row(
    409,
    "operator",
    "Nobody has an account in this workspace yet who could open the link. holdfast setup-link prints the link that makes the first one.",
  ),
  already_exists: row(409, "caller", "There is one with that name already."),
  too_many_tokens: row(
    409,
    "caller",
    "An app has at most two live service tokens. Revoke one first: holdfast tokens revoke ID --app APP.",
  ),
  stripe_unsupported: row(
    409,
    "caller",
    "This server sets up no Stripe sandbox. Keep the Stripe key as a secret of the app, and remove the stripe file from the connectors.",
  ),

  // Functions.
  functions_not_served: row(404, "operator", "This server runs no functions. Start it with --functions DIRECTORY."),
  function_not_found: row(404, "caller", "There is no function of that name."),
  function_invalid: row(502, "builder", "The function cannot be loaded."),
  function_error: row(502, "builder", "The function failed before it answered."),
  function_timeout: row(504, "builder", "The function took too long."),
  function_out_of_memory: row(502, "builder", "The function ran out of memory."),

  // The server.
  database_unavailable: row(
    503,
    "operator",
    "The database cannot be reached. Check that it runs, and that its address or the data directory is right.",
    again,
  ),
  audit_unavailable: row(
    503,
    "operator",
    "The audit trail cannot be written, so nothing was handed out. Check the database.",
    again,
  ),
  database_busy: row(503, "nobody", "The database is busy. Try again.", again),
  storage_full: row(503, "operator", "The disk is full. Nothing was changed.", again),
  overloaded: row(503, "nobody", "Too many requests are under way. Try again shortly.", again),
  internal: row(500, "operator", "Something went wrong in the server. Its log has the request id."),

  // Commands and start-up.
  usage: row(400, "caller", "The command was not understood.", { exit_code: 2 }),
  server_unreachable: row(503, "operator", "The server does not answer.", again),
  not_signed_in: row(401, "caller", "Nobody is signed in on this machine. Sign in: holdfast login --server URL."),
  login_refused: row(403, "caller", "The login was refused on the server's page. To try again: holdfast login."),
  login_expired: row(400, "caller", "The login was not confirmed in time. To try again: holdfast login."),
  invalid_answer: row(
    502,
    "operator",
    "What answered is not a Holdfast server, or a version that this command does not understand. Check the address.",
  ),
  connector_file_invalid: row(400, "caller", "A connector file cannot be read."),
  different_user: row(
    409,
    "builder",
    "Somebody else connected this service, with the same scopes. Ask them, or remove the connector and connect it again.",
  ),
  database_in_use: row(503, "operator", "Another holdfast server already uses this data directory.", { exit_code: 75 }),
  port_in_use: row(503, "operator", "Another program already listens on this port.", { exit_code: 75 }),
  configuration: row(500, "operator", "The configuration is not valid.", { exit_code: 78 }),
  wrong_master_key: row(500, "operator", "The master key does not belong to this data.", { exit_code: 78 }),
  missing_master_key: row(500, "operator", "There is data, but no master key.", { exit_code: 78 }),
  schema_too_new: row(500, "operator", "The database was written by a newer Holdfast.", { exit_code: 78 }),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Codes that once existed. Never reuse one: somebody's program still looks for it. */
export const RETIRED: readonly string[] = [];

export interface FieldError {
  readonly name: string;
  readonly message: string;
}

export interface ErrorOptions {
  /** Replaces the table's sentence where more is known. Never carries a secret or a provider's raw text. */
  readonly message?: string;
  readonly reason?: string;
  readonly reconnect_url?: string;
  readonly retry_after_s?: number;
  readonly errors?: readonly FieldError[];
  /** For the log only. */
  readonly cause?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The one error class of the server. Anything else that is thrown is a defect and answers `internal`. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly options: ErrorOptions;

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "ApiError";
    this.code = code;
    this.options = options;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Exit codes of commands: 1 failed, 2 usage, 3 auth, 4 not found, 5 conflict, 6 unavailable, 70 internal, 75, 78. */
export function exitCodeOf(code: ErrorCode): number {
  const { status, exit_code } = { exit_code: undefined, ...ERRORS[code] };
  return exit_code ?? exitCodeOfStatus(status);
}

/** For a code of another version's table. */
export function exitCodeOfStatus(status: number): number {
  if (status === 401 || status === 403) return 3;
  if (status === 404) return 4;
  if (status === 409) return 5;
  if (status === 502 || status === 503 || status === 504) return 6;
  return status === 500 ? 70 : 1;
}

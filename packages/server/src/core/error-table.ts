/**
 * The closed table of errors. Each code has one HTTP status, a retry flag, the party that must act,
 * and a message that says what to do. `docs/errors.md` is generated from it. A removed code stays
 * in RETIRED, so that it never gets a second meaning.
 *
 * Wire body (both public clients need strings in `message` and `detail`): `{ message, detail, code,
 * request_id, retryable, extra_data? }`.
 */

/**
 * Who can resolve the error. `caller`: the code that sent the request. `nobody`: it resolves
 * itself.
 */
export type Actor = "caller" | "builder" | "operator" | "provider" | "nobody";

interface ErrorRow {
  readonly status: number;
  readonly retryable: boolean;
  readonly who_must_act: Actor;
  readonly message: string;
  /** Exit code of a command that fails with this error, if the status does not determine it. */
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
  route_not_found: row(
    404,
    "caller",
    "No route matches this path. Check the URL. Entities, files, integrations, agents and sites of Base44 are not available.",
  ),
  method_not_allowed: row(405, "caller", "This route does not allow that method. See the Allow header."),
  unsupported_media_type: row(415, "caller", "Send the body as application/json."),
  invalid_json: row(400, "caller", "The body is not valid JSON."),
  forbidden_key: row(400, "caller", "The body has a key that is never allowed, such as __proto__. Remove it."),
  body_too_large: row(413, "caller", "The body is larger than 256 KiB."),
  url_too_long: row(414, "caller", "The URL is longer than 8 KiB."),
  headers_too_large: row(431, "caller", "The headers are larger than 16 KiB in total."),
  invalid_field: row(400, "caller", "A field has an invalid value. extra_data.errors names each one."),
  unknown_field: row(400, "caller", "The body has a field that this route does not know. Remove it."),
  bad_request: row(400, "caller", "The request is malformed."),
  request_timeout: row(408, "caller", "The request took too long to arrive.", again),

  // Credentials.
  missing_token: row(401, "caller", "Send a token: Authorization: Bearer <service token>."),
  malformed_token: row(401, "caller", "The Authorization header must be exactly: Bearer <token>."),
  invalid_token: row(401, "caller", "Unauthorized"),
  token_expired: row(401, "caller", "This token has expired. Create a new one: holdfast tokens create --app APP."),
  token_revoked: row(401, "caller", "This token was revoked. Create a new one: holdfast tokens create --app APP."),
  token_in_url: row(
    401,
    "caller",
    "Tokens in a URL are never accepted, because URLs end up in logs. Revoke this token and send a new one in the Authorization header.",
  ),
  service_token_required: row(403, "caller", "This endpoint is only accessible to service tokens"),
  builder_required: row(
    403,
    "caller",
    "This route requires a builder's credential: an API key (b44k_...) in the api_key header, or a signed-in session.",
  ),
  sign_in_required: row(
    401,
    "builder",
    "Sign in first. If you have no account, ask a member of a workspace for an invitation. To create the first account, run holdfast setup-link on the server's machine.",
  ),
  sign_in_failed: row(401, "builder", "The email address or the password is wrong."),
  setup_link_invalid: row(
    400,
    "operator",
    "This setup link was already used, or is more than an hour old. To get a new one, run holdfast setup-link on the server's machine.",
  ),
  invitation_invalid: row(
    400,
    "builder",
    "This invitation was used or revoked, or is more than seven days old. Ask for a new one.",
  ),
  insufficient_role: row(
    403,
    "builder",
    "Your role in this workspace does not allow this. An admin of the workspace can change your role.",
  ),
  plan_upgrade_required: row(
    403,
    "builder",
    "Connectors require the builder plan or a higher one. An admin of the workspace can change its plan.",
  ),
  functions_disabled: row(
    403,
    "builder",
    "Functions are turned off for this app, so its service tokens are refused. An admin of the workspace can turn them on.",
  ),
  csrf: row(403, "caller", "This request must come from a page of this server. Reload the page and try again."),
  user_code_invalid: row(
    400,
    "builder",
    "This code is unknown, or is more than ten minutes old. Compare it with the code in your terminal, or start the login again there.",
  ),
  rate_limited: row(
    429,
    "caller",
    "Too many requests. Wait for the number of seconds in the Retry-After header.",
    again,
  ),
  not_found: row(404, "caller", "Not found."),

  // Services, connections, tokens.
  invalid_service: row(400, "caller", "Invalid service name. Use 1 to 64 lowercase letters, digits, _ or -."),
  unknown_service: row(
    404,
    "caller",
    "This server has no such service. To list all services: holdfast providers list.",
  ),
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
    "The stored credentials of this connection cannot be decrypted. Nothing was changed. Connect the account again, or restore a database and master key that belong together.",
  ),
  refresh_pending: row(
    503,
    "nobody",
    "An interrupted refresh of this connection is being recovered. Try again shortly.",
    again,
  ),
  refresh_busy: row(
    503,
    "nobody",
    "Too many callers are waiting for this connection's refresh. Try again shortly.",
    again,
  ),
  refresh_too_soon: row(
    429,
    "caller",
    "This token was issued less than a minute ago. If the API rejects it too, check the API's error. A new token will not help.",
    again,
  ),
  min_valid_unavailable: row(
    409,
    "caller",
    "Access tokens of this connection are never valid that long. Request a smaller min_valid_seconds.",
  ),
  https_redirect_required: row(
    409,
    "operator",
    "This provider redirects only to https URLs. Serve Holdfast over https and set HOLDFAST_PUBLIC_URL to that URL.",
  ),
  provider_unavailable: row(
    503,
    "provider",
    "The provider is unreachable or sent an invalid response, and the stored token has expired.",
    again,
  ),
  oauth_client_rejected: row(
    502,
    "builder",
    "The provider rejects the OAuth client's id or secret. Set the correct ones: holdfast clients set TYPE.",
  ),
  oauth_client_missing: row(
    409,
    "builder",
    "No OAuth client is set for this service. Register one with the provider, then run: holdfast clients set TYPE --client-id ID --client-secret-stdin.",
  ),

  // Connecting an account.
  invalid_scope: row(400, "caller", "A scope contains a character that is not allowed (RFC 6749 section 3.3)."),
  invalid_connection_config: row(
    400,
    "caller",
    "A connection setting has an invalid value. extra_data.errors names each one.",
  ),
  missing_connection_config: row(
    400,
    "caller",
    "A required connection setting is missing. extra_data.errors names it.",
  ),
  invalid_return_to: row(400, "caller", "return_to must be a path on this server, such as /apps."),
  too_many_flows: row(429, "caller", "Too many consents are pending. Finish one, or wait ten minutes.", again),
  flow_not_found: row(404, "builder", "This connect link does not exist. Start again from the app."),
  flow_expired: row(400, "builder", "This connect link is more than ten minutes old. Start again from the app."),
  state_missing: row(
    400,
    "builder",
    "The provider's response has no state, so it cannot be matched to a consent that started here. Start again.",
  ),
  state_unknown: row(
    400,
    "builder",
    "The provider's response does not match any consent that started here. Start again.",
  ),
  state_used: row(400, "builder", "This consent is already finished. If the account is not connected, start again."),
  state_expired: row(400, "builder", "The consent took longer than ten minutes. Start again."),
  state_session_mismatch: row(
    400,
    "builder",
    "The consent was finished in a different browser from the one that started it, so nothing was connected. Start again, and stay in one browser.",
  ),
  flow_user_mismatch: row(
    403,
    "builder",
    "You are not signed in as the user who started this consent, so nothing was connected.",
  ),
  flow_context_mismatch: row(
    400,
    "builder",
    "The response arrived at another service's redirect URI, so nothing was connected. Check the redirect URI registered with the provider.",
  ),
  issuer_unusable: row(
    400,
    "caller",
    "The issuer cannot be used: its keys or its verify URL did not respond as expected. Nothing was stored. Correct the address. If the issuer is not up yet, add it with --skip-check.",
  ),
  issuer_mismatch: row(
    400,
    "builder",
    "The response does not come from the provider this consent was sent to, so nothing was connected.",
  ),
  duplicate_parameter: row(400, "builder", "The provider's response repeats a parameter, so nothing was connected."),
  callback_invalid: row(400, "builder", "The provider's response has neither a code nor an error. Start again."),
  consent_denied: row(
    400,
    "builder",
    "The account's owner or the provider declined the consent. Nothing was connected.",
  ),
  code_exchange_failed: row(
    400,
    "builder",
    "The provider accepted the consent but refused to issue tokens. Nothing was connected.",
  ),
  account_changed: row(
    409,
    "builder",
    "This consent is for a different account from the connected one. Nothing was changed. Confirm the change on the result page, or connect the first account again.",
  ),
  connector_blocked: row(
    403,
    "builder",
    "This service is turned off for the workspace's apps. An admin of the workspace can turn it on again.",
  ),

  // Apps and what belongs to them.
  invalid_name: row(400, "caller", "A name must have 1 to 100 visible characters."),
  invalid_email: row(400, "caller", "This is not a valid email address."),
  invalid_password: row(400, "caller", "A password must have 10 to 128 characters."),
  limit_reached: row(409, "caller", "The limit is reached. Remove one first."),
  last_owner: row(409, "caller", "A workspace needs an owner. Make another member an owner first."),
  workspace_not_empty: row(
    409,
    "caller",
    "The workspace still has apps. Delete them first, or delete the workspace together with its apps.",
  ),
  no_account: row(
    409,
    "operator",
    "No account of this workspace can open the link yet. To create the first account, run holdfast setup-link.",
  ),
  already_exists: row(409, "caller", "This name is already in use."),
  too_many_tokens: row(
    409,
    "caller",
    "An app can have at most two live service tokens. Revoke one first: holdfast tokens revoke ID --app APP.",
  ),
  stripe_unsupported: row(
    409,
    "caller",
    "This server does not set up Stripe sandboxes. Keep the Stripe key as a secret of the app, and remove the stripe file from the connectors.",
  ),

  // Functions.
  functions_not_served: row(404, "operator", "This server does not run functions."),
  functions_isolation_unavailable: row(
    500,
    "operator",
    "The sandbox for functions does not work on this machine. Install bubblewrap, or start without functions.",
    { exit_code: 78 },
  ),
  function_upgrade_refused: row(
    501,
    "caller",
    "A function cannot accept WebSocket connections. Send a plain HTTP request. A function can connect to other WebSocket servers.",
  ),
  functions_url_shared: row(
    409,
    "operator",
    "The functions of all apps share one origin, so this installation can have only one workspace. Give each app its own origin first: HOLDFAST_FUNCTIONS_URL=https://{app}.fn.example.com.",
  ),
  app_ambiguous: row(
    400,
    "caller",
    "This URL does not name an app. Call the app's own functions origin, send the token of one of its users, or call /api/apps/APP/functions/NAME.",
  ),
  functions_not_isolated: row(
    409,
    "operator",
    "Without a sandbox (--functions-isolation none), only one workspace can have functions, because each could read the other's secrets. Start with --functions-isolation bubblewrap.",
    { exit_code: 78 },
  ),
  function_not_found: row(404, "caller", "No function has this name."),
  deployment_invalid: row(400, "caller", "The function's files cannot be deployed. The live version did not change."),
  function_from_directory: row(
    409,
    "operator",
    "This server runs the function from a directory (--functions). Edit the files in that directory.",
  ),
  function_invalid: row(502, "builder", "The function cannot be loaded."),
  function_unreadable: row(
    500,
    "operator",
    "The stored files of this function are damaged. Delete it and deploy it again, or restore the database from a backup.",
  ),
  function_bundler_failed: row(
    503,
    "nobody",
    "The bundler stopped before it finished. Deploy again. The server's log has the reason.",
    again,
  ),
  function_error: row(502, "builder", "The function failed before it responded."),
  function_timeout: row(504, "builder", "The function took too long."),
  function_out_of_memory: row(502, "builder", "The function ran out of memory."),

  // The server.
  database_unavailable: row(
    503,
    "operator",
    "The database is unreachable. Check that it is running, and that its URL or the data directory is correct.",
    again,
  ),
  audit_unavailable: row(
    503,
    "operator",
    "The audit trail cannot be written, so no credential was returned. Check the database.",
    again,
  ),
  database_busy: row(503, "nobody", "The database is busy. Try again.", again),
  storage_full: row(503, "operator", "The disk is full. Nothing was changed.", again),
  overloaded: row(503, "nobody", "Too many requests are in progress. Try again shortly.", again),
  internal: row(500, "operator", "The server failed. Its log has the request id."),

  // Commands and start-up.
  usage: row(400, "caller", "The command was not understood.", { exit_code: 2 }),
  server_unreachable: row(503, "operator", "The server does not respond.", again),
  not_signed_in: row(401, "caller", "You are not signed in on this machine. Sign in: holdfast login --server URL."),
  login_refused: row(403, "caller", "The login was refused on the server's page. To try again, run holdfast login."),
  login_expired: row(400, "caller", "The login was not confirmed in time. To try again, run holdfast login."),
  invalid_answer: row(
    502,
    "operator",
    "The response is not from a Holdfast server, or from a version that this command does not understand. Check the URL.",
  ),
  connector_file_invalid: row(400, "caller", "A connector file cannot be read."),
  different_user: row(
    409,
    "builder",
    "Another user connected this service with the same scopes. Ask them, or remove the connector and connect it again.",
  ),
  database_in_use: row(503, "operator", "Another Holdfast server is already using this data directory.", {
    exit_code: 75,
  }),
  port_in_use: row(503, "operator", "Another program is already listening on this port.", { exit_code: 75 }),
  configuration: row(500, "operator", "The configuration is not valid.", { exit_code: 78 }),
  wrong_master_key: row(500, "operator", "The master key does not belong to this data.", { exit_code: 78 }),
  missing_master_key: row(500, "operator", "There is data but no master key.", { exit_code: 78 }),
  schema_too_new: row(500, "operator", "The database was written by a newer version of Holdfast.", { exit_code: 78 }),
} as const satisfies Record<string, ErrorRow>;

/** Removed codes. Never reuse one: existing programs still check for it. */
export const RETIRED: readonly string[] = [];

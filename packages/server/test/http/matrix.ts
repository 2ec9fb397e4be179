/**
 * The access rules: each route once, as data. matrix.test.ts checks them, and a route without a
 * line fails.
 *
 * Written from the table of roles, not from the code. Viewers read. Editors also connect,
 * disconnect, push, deploy and create service tokens. Admins also manage OAuth clients, members,
 * keys, app users, the plan, governance and the audit export. Owners also delete and transfer the
 * workspace.
 */
import type { Role } from "../../src/core/roles.ts";

export interface Sample {
  readonly json?: unknown;
  readonly query?: string;
}

/** A builder's route. */
export interface BuilderLine extends Sample {
  readonly by: "builder";
  /** The path, query and body of the request. `{app}` and `{workspace}` are placeholders. */
  readonly on: "app" | "workspace" | "installation" | "nothing";
  readonly least: Role;
  /** Requires a signed-in user. A key is not enough. */
  readonly person?: true;
}

export type Line =
  | BuilderLine
  /** A token of an app's backend. */
  | { readonly by: "service_token" }
  /** Every caller: the route checks callers itself, or shows no user data. */
  | { readonly by: "anyone" }
  /** A page for signed-in users. An app's is for its editors, a workspace's for its members. */
  | { readonly by: "page"; readonly on?: "app" | "flow" | "workspace" }
  /** A form of such a page, with its token. A workspace's form needs this role. */
  | { readonly by: "form"; readonly least?: Role }
  /** Every visitor who has the link or the password. */
  | { readonly by: "link" }
  /** A protocol with its own rules and tests: RFC 8628, 6749, 7009. */
  | { readonly by: "protocol" }
  /** The provider's redirect, bound to the flow's browser and user. */
  | { readonly by: "provider" };

const app = (least: Role, sample: Sample = {}): Line => ({ by: "builder", on: "app", least, ...sample });
const workspace = (least: Role, sample: Sample = {}): Line => ({ by: "builder", on: "workspace", least, ...sample });
const installation = (least: Role, sample: Sample = {}): Line => ({
  by: "builder",
  on: "installation",
  least,
  ...sample,
});
const anyBuilder: Line = { by: "builder", on: "nothing", least: "viewer" };
const anyone: Line = { by: "anyone" };
const page: Line = { by: "page" };
const form: Line = { by: "form" };
const adminForm: Line = { by: "form", least: "admin" };
const link: Line = { by: "link" };
const protocol: Line = { by: "protocol" };

const AUTH = "/api/apps/:app/external-auth";
const MANAGEMENT = "/api/management";
const WORKSPACE = `${MANAGEMENT}/workspaces/:workspace`;
const GOVERNANCE = "/api/workspace/:workspace/connector-governance";
const BACKEND_FUNCTIONS = "/api/apps/:app/backend-functions";
const FUNCTIONS = ["DELETE", "GET", "PATCH", "POST", "PUT", "QUERY"]
  .map(
    (method) =>
      [
        [`${method} /api/apps/:app/functions/*`, anyone],
        [`${method} /api/functions/*`, anyone],
      ] as const,
  )
  .flat();

export const MATRIX: Readonly<Record<string, Line>> = {
  // Apps' backends.
  [`GET ${AUTH}/tokens/:integration_type`]: { by: "service_token" },
  ...Object.fromEntries(FUNCTIONS),
  "GET /api/apps/:app/entities/User/me": anyone,
  "POST /api/apps/:app/analytics/track/batch": anyone,

  // Connectors.
  "GET /api/external-auth/available-integrations": anyone,
  [`GET ${AUTH}/available-integrations`]: app("viewer"),
  [`GET ${AUTH}/list`]: app("viewer"),
  [`GET ${AUTH}/status`]: app("viewer", { query: "integration_type=slack&connection_id=x" }),
  [`GET ${AUTH}/connection-config/:integration_type`]: app("viewer"),
  [`GET ${AUTH}/connector-governance`]: app("viewer"),
  [`PUT ${AUTH}/integrations/:integration_type`]: app("editor", { json: { scopes: [] } }),
  [`POST ${AUTH}/initiate`]: app("editor", { json: { integration_type: "slack" } }),
  [`DELETE ${AUTH}/integrations/:integration_type`]: app("editor"),
  [`DELETE ${AUTH}/integrations/:integration_type/remove`]: app("editor"),
  "GET /api/apps/:app/payments/stripe/status": app("viewer"),
  "POST /api/apps/:app/payments/stripe/install": app("editor"),
  "DELETE /api/apps/:app/payments/stripe": app("editor"),
  [`GET ${GOVERNANCE}`]: workspace("viewer"),
  [`GET ${GOVERNANCE}/:integration_type`]: workspace("viewer"),
  [`PUT ${GOVERNANCE}/:integration_type`]: workspace("admin", { json: { builder_connection_enabled: true } }),

  // Functions.
  "GET /api/apps/:app/functions-mgmt/:name/logs": app("editor"),
  "GET /api/apps/:app/functions-mgmt/logs/stream": app("editor", { query: "function=none" }),
  [`GET ${MANAGEMENT}/apps/:app/logs`]: app("editor"),
  [`GET ${MANAGEMENT}/apps/:app/schedules`]: app("viewer"),

  // Apps.
  "GET /api/apps": anyBuilder,
  "POST /api/apps": workspace("editor", { json: { name: "made", organization_id: "{workspace}" } }),
  "GET /api/apps/:app": app("viewer"),
  "PUT /api/apps/:app": app("editor", { json: { user_description: "x" } }),
  "GET /api/workspace/workspaces": anyBuilder,
  [`GET ${MANAGEMENT}/apps`]: anyBuilder,
  [`POST ${MANAGEMENT}/apps`]: workspace("editor", { json: { name: "made", workspace_id: "{workspace}" } }),
  [`PATCH ${MANAGEMENT}/apps/:app`]: app("admin", { json: { functions_enabled: true } }),
  [`DELETE ${MANAGEMENT}/apps/:app`]: app("admin"),
  [`GET ${MANAGEMENT}/apps/:app/tokens`]: app("viewer"),
  [`POST ${MANAGEMENT}/apps/:app/tokens`]: app("editor", { json: { name: "made" } }),
  [`DELETE ${MANAGEMENT}/apps/:app/tokens/:token`]: app("editor"),

  // App users.
  [`GET ${MANAGEMENT}/apps/:app/issuers`]: app("viewer"),
  [`POST ${MANAGEMENT}/apps/:app/issuers`]: app("admin", {
    json: { issuer: "https://login.example.com", kind: "oidc", audiences: ["shop"], skip_check: true },
  }),
  [`DELETE ${MANAGEMENT}/apps/:app/issuers/:issuer`]: app("admin"),
  [`GET ${MANAGEMENT}/apps/:app/users`]: app("editor"),
  [`PATCH ${MANAGEMENT}/apps/:app/users/:user`]: app("admin", { json: { role: "admin" } }),
  "GET /api/apps/:app/auth/token": app("editor"),
  "GET /api/apps/platform/:app/published-url": app("viewer"),

  // Functions and secrets.
  [`GET ${BACKEND_FUNCTIONS}`]: app("viewer"),
  [`PUT ${BACKEND_FUNCTIONS}/:name`]: app("editor", {
    json: { entry: "entry.js", files: [{ path: "entry.js", content: "Deno.serve(() => new Response());" }] },
  }),
  [`DELETE ${BACKEND_FUNCTIONS}/:name`]: app("editor"),
  [`GET ${MANAGEMENT}/apps/:app/functions/:name/versions`]: app("viewer"),
  [`POST ${MANAGEMENT}/apps/:app/functions/:name/rollback`]: app("editor", { json: {} }),
  "GET /api/apps/:app/secrets": app("viewer"),
  "POST /api/apps/:app/secrets": app("editor", { json: { NAME: "value" } }),
  "DELETE /api/apps/:app/secrets": app("editor", { query: "secret_name=NAME" }),

  // The first workspace decides for the whole installation.
  [`GET ${MANAGEMENT}/clients`]: installation("viewer"),
  [`PUT ${MANAGEMENT}/clients/:integration_type`]: installation("admin", {
    json: { client_id: "x", client_secret: "y" },
  }),
  [`DELETE ${MANAGEMENT}/clients/:integration_type`]: installation("admin"),
  [`PUT ${WORKSPACE}/installation-clients`]: installation("admin", { json: { allowed: true } }),

  // Workspaces.
  [`GET ${MANAGEMENT}/workspaces`]: anyBuilder,
  [`POST ${MANAGEMENT}/workspaces`]: {
    by: "builder",
    on: "nothing",
    least: "viewer",
    person: true,
    json: { name: "x" },
  },
  [`PATCH ${WORKSPACE}`]: workspace("admin", { json: { name: "renamed", plan: "pro" } }),
  [`DELETE ${WORKSPACE}`]: workspace("owner", { query: "with_apps=true" }),
  [`POST ${WORKSPACE}/transfer`]: workspace("owner", { json: { user_id: "{viewer}" } }),
  [`POST ${WORKSPACE}/leave`]: { by: "builder", on: "workspace", least: "viewer", person: true },
  [`GET ${WORKSPACE}/members`]: workspace("viewer"),
  [`PATCH ${WORKSPACE}/members/:user`]: workspace("admin", { json: { role: "editor" } }),
  [`DELETE ${WORKSPACE}/members/:user`]: workspace("admin"),
  [`GET ${WORKSPACE}/invitations`]: workspace("admin"),
  [`POST ${WORKSPACE}/invitations`]: workspace("admin", { json: { email: "new@example.com", role: "viewer" } }),
  [`DELETE ${WORKSPACE}/invitations/:invitation`]: workspace("admin"),
  [`GET ${WORKSPACE}/keys`]: workspace("admin"),
  [`POST ${WORKSPACE}/keys`]: workspace("admin", { json: { name: "made" } }),
  [`DELETE ${WORKSPACE}/keys/:key`]: workspace("admin"),
  [`GET ${WORKSPACE}/clients`]: workspace("viewer"),
  [`PUT ${WORKSPACE}/clients/:integration_type`]: workspace("admin", { json: { client_id: "x", client_secret: "y" } }),
  [`DELETE ${WORKSPACE}/clients/:integration_type`]: workspace("admin"),
  [`GET ${MANAGEMENT}/audit`]: workspace("admin", { query: "workspace={workspace}" }),

  // Pages.
  "GET /": page,
  "GET /account": page,
  "GET /device": page,
  "GET /apps/:app/connect/:integration_type": { by: "page", on: "app" },
  "GET /connect/:flow": { by: "page", on: "flow" },
  "GET /connect/:flow/go": { by: "page", on: "flow" },
  "GET /connect/:flow/result": { by: "page", on: "flow" },
  "POST /account/password": form,
  "POST /account/sessions/end": form,
  "POST /account/sign-out-everywhere": form,
  "POST /apps/:app/connect/:integration_type": form,
  "POST /connect/:flow": form,
  "POST /connect/:flow/account": form,
  "POST /device": form,
  "POST /sign-out": form,
  "GET /workspaces/:workspace": { by: "page", on: "workspace" },
  "POST /workspaces/:workspace/invitations": adminForm,
  "POST /workspaces/:workspace/invitations/revoke": adminForm,
  "POST /workspaces/:workspace/keys": adminForm,
  "POST /workspaces/:workspace/keys/revoke": adminForm,
  "POST /workspaces/:workspace/leave": form,
  "POST /workspaces/:workspace/members/remove": adminForm,
  "POST /workspaces/:workspace/members/role": adminForm,
  "GET /setup/:token": link,
  "POST /setup/:token": link,
  "GET /sign-in": anyone,
  "GET /apps/:app/editor/workspace/*": anyone,
  "POST /sign-in": link,
  "GET /invitations/:token": link,
  "POST /invitations/:token": link,

  "POST /oauth/device/code": protocol,
  "POST /oauth/token": protocol,
  "POST /oauth/revoke": protocol,
  "GET /oauth/userinfo": protocol,
  "GET /api/external-auth/callback": { by: "provider" },
  "GET /api/external-auth/callback/:vendor": { by: "provider" },

  "GET /healthz": anyone,
  "GET /readyz": anyone,
  "GET /assets/holdfast.css": anyone,
  "GET /assets/holdfast.svg": anyone,
};

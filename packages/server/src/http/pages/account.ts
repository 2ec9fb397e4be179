/**
 * The user's own pages: the start page with the apps of their workspaces, and the account with
 * its sessions.
 */
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { Membership } from "../../service/access/authorization.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import { browserPrincipal, checkForm, formToken, visitorOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { clearCookie, setCookie } from "../cookies.ts";
import type { HttpServer } from "../fastify.ts";
import {
  accountPage,
  PASSWORD_CHANGED,
  SIGNED_OUT_EVERYWHERE,
  startPage,
  type AppSection,
  type ServiceRow,
  type WorkspaceSection,
} from "./account-views.ts";
import { textOf, type FormRoute } from "./form.ts";
import { sendPage } from "./page.ts";
import { signedIn } from "./signed-in.ts";

export function accountPages(server: HttpServer, context: HttpContext): void {
  startRoutes(server, context);
  accountRoute(server, context);
  passwordRoute(server, context);
  sessionRoutes(server, context);
}

function startRoutes(server: HttpServer, context: HttpContext): void {
  const { authorization, clients, config, urls } = context;

  // The public command line prints this address as an app's dashboard. The start page lists all
  // apps, so the app in the address is not checked.
  server.get("/apps/:app/editor/workspace/*", (_request, reply) => reply.redirect(`${urls.public_url}/`, 302));

  server.get("/", async (request, reply) => {
    const { principal, user, session } = await signedIn(context, request);
    const workspaces = await authorization.workspaces(browserPrincipal(principal));
    const registered = (await clients.list()).map((client) => client.integration_type);
    const sections = await Promise.all(workspaces.map((workspace) => workspaceSection(context, workspace, registered)));
    return await sendPage(reply, config, startPage(user, sections, formToken(session)));
  });
}

async function workspaceSection(
  context: HttpContext,
  { id, name }: Membership,
  registered: readonly string[],
): Promise<WorkspaceSection> {
  const apps = await context.apps.list(id);
  return { id, name, apps: await Promise.all(apps.map((app) => appSection(context, app, registered))) };
}

/** Returns an app with its connections, then with the services that an OAuth client is set for. */
async function appSection(
  { catalog, connections, urls }: HttpContext,
  { id, name }: AppRow,
  registered: readonly string[],
): Promise<AppSection> {
  const connected = await connections.list(id);
  const rowOf = (integration_type: string, connection: ServiceRow["connection"]): ServiceRow => ({
    name: catalog.get(integration_type)?.display_name ?? integration_type,
    connect_url: urls.reconnect(id, integration_type),
    connection,
  });
  const others = registered.filter((type) => !connected.some(({ integration_type }) => integration_type === type));
  return {
    id,
    name,
    services: [...connected.map((row) => rowOf(row.integration_type, row)), ...others.map((type) => rowOf(type, null))],
  };
}

function accountRoute(server: HttpServer, context: HttpContext): void {
  server.get("/account", async (request, reply) => {
    const { user, session } = await signedIn(context, request);
    const browsers = await context.accounts.listSessions(user.user_id);
    const command_lines = await context.cliSessions.list(user.user_id);
    return await sendPage(reply, context.config, accountPage(user, browsers, command_lines, formToken(session)));
  });
}

function passwordRoute(server: HttpServer, context: HttpContext): void {
  const { accounts, config } = context;

  server.post<FormRoute>("/account/password", async (request, reply) => {
    const { user, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    const [current, next] = [new Secret(textOf(form["current"])), new Secret(textOf(form["password"]))];
    const renewed = await accounts.changePassword(user, session, current, next, visitorOf(request));
    setCookie(reply, config, "session", renewed, config.limits.session_absolute_ms / 1000);
    return await sendPage(reply, config, PASSWORD_CHANGED);
  });
}

function sessionRoutes(server: HttpServer, context: HttpContext): void {
  const { accounts, cliSessions, config, urls } = context;

  server.post<FormRoute>("/account/sessions/end", async (request, reply) => {
    const { user, session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    const id = request.body?.["session"];
    if (typeof id !== "string") throw new CodedError("not_found");
    if (!(await cliSessions.end(user.user_id, id))) await accounts.endSession(user, id);
    return await reply.redirect(`${urls.public_url}/account`, 303);
  });

  server.post<FormRoute>("/account/sign-out-everywhere", async (request, reply) => {
    const { user, session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    await accounts.signOutEverywhere(user);
    clearCookie(reply, config, "session");
    return await sendPage(reply, config, SIGNED_OUT_EVERYWHERE);
  });
}

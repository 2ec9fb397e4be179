/**
 * The pages of the connect flow: confirm, go, result, the choice between two accounts, and the link
 * that errors contain. GET changes nothing.
 */
import { CodedError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { AppId, FlowId } from "../../core/types.ts";
import { checkForm, formToken } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie, setCookie } from "../cookies.ts";
import type { HttpServer } from "../fastify.ts";
import { accountChangedPage, beginPage, CONFIG_PREFIX, confirmPage, goPage, resultPage } from "./connect-views.ts";
import type { FormRoute } from "./form.ts";
import { sendPage } from "./page.ts";
import { connectableApp, signedIn } from "./signed-in.ts";

interface FlowRoute {
  Params: { flow: FlowId };
}

interface ServiceRoute {
  Params: { app: AppId; integration_type: string };
}

export function connectPages(server: HttpServer, context: HttpContext): void {
  confirmRoutes(server, context);
  goRoute(server, context);
  resultRoutes(server, context);
  reconnectRoutes(server, context);
}

function confirmRoutes(server: HttpServer, context: HttpContext): void {
  const { connect, config, urls } = context;

  server.get<FlowRoute>("/connect/:flow", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const flow = await connect.flow(request.params.flow, principal);
    const app = await connectableApp(context, principal, flow.app_id);
    if (flow.outcome !== null || flow.taken_at !== null) return await reply.redirect(urls.result(flow.id), 303);
    return await sendPage(reply, config, confirmPage(app.name, await connect.confirm(flow, app), formToken(session)));
  });

  server.post<FlowRoute & FormRoute>("/connect/:flow", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    // One flow cookie per browser, kept across flows. Otherwise a consent in a second tab would
    // break the first.
    const browser = readCookie(request, config, "flow") ?? new Secret(randomToken());
    const flow = await connect.flow(request.params.flow, principal);
    const app = await connectableApp(context, principal, flow.app_id);
    await connect.start(flow, app, browser, configOf(form));
    setCookie(reply, config, "flow", browser, config.limits.session_absolute_ms / 1000);
    return await reply.redirect(urls.go(request.params.flow), 303);
  });
}

function configOf(form: Readonly<Record<string, unknown>>): Record<string, string> {
  const values = Object.entries(form).filter(
    (entry): entry is [string, string] => entry[0].startsWith(CONFIG_PREFIX) && typeof entry[1] === "string",
  );
  return Object.fromEntries(values.map(([name, value]) => [name.slice(CONFIG_PREFIX.length), value.trim()]));
}

function goRoute(server: HttpServer, context: HttpContext): void {
  const { catalog, connect, config } = context;

  server.get<FlowRoute>("/connect/:flow/go", async (request, reply) => {
    const { principal } = await signedIn(context, request);
    const flow = await connect.flow(request.params.flow, principal);
    await connectableApp(context, principal, flow.app_id);
    const authorization_url = await connect.authorizationUrl(flow, readCookie(request, config, "flow"));
    return await sendPage(reply, config, goPage(catalog.require(flow.integration_type), authorization_url));
  });
}

function resultRoutes(server: HttpServer, context: HttpContext): void {
  const { clock, connect, consents, config, urls } = context;

  server.get<FlowRoute>("/connect/:flow/result", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const flow = await connect.flow(request.params.flow, principal);
    const subject = await connect.subject(flow);
    const change = await consents.waiting(flow);
    if (change === null)
      return await sendPage(
        reply,
        config,
        resultPage(flow, subject, urls.reconnect(flow.app_id, flow.integration_type)),
      );
    if (flow.expires_at <= clock.now()) throw new CodedError("flow_expired");
    if (request.headers.accept?.includes("text/html") !== true) throw new CodedError("account_changed");
    return await sendPage(reply, config, accountChangedPage(flow.id, subject, change, formToken(session)));
  });

  server.post<FlowRoute & FormRoute>("/connect/:flow/account", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    const flow = await connect.flow(request.params.flow, principal);
    await connectableApp(context, principal, flow.app_id);
    await consents.decide(flow.id, principal, form["decision"] === "replace" ? "replace" : "keep");
    return await reply.redirect(urls.result(flow.id), 303);
  });
}

function reconnectRoutes(server: HttpServer, context: HttpContext): void {
  const { catalog, connect, config, urls } = context;

  server.get<ServiceRoute>("/apps/:app/connect/:integration_type", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const { name } = await connectableApp(context, principal, request.params.app);
    const provider = catalog.require(request.params.integration_type);
    return await sendPage(reply, config, beginPage(provider, name, formToken(session)));
  });

  server.post<ServiceRoute & FormRoute>("/apps/:app/connect/:integration_type", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    const { app: app_id, integration_type } = request.params;
    await connectableApp(context, principal, app_id);
    const initiated = await connect.reconnect({ app_id, integration_type, initiator: principal });
    return await reply.redirect(initiated.redirect_url ?? urls.public_url, 303);
  });
}

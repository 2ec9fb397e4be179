/** Signing in by the setup link, the start page, and signing out. */
import type { App } from "../app.ts";
import { checkForm, formToken, isSameOrigin } from "../auth.ts";
import { ApiError } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { clearCookie, setCookie } from "../cookies.ts";
import { html, type Html } from "../html.ts";
import { sendPage } from "../page.ts";
import type { ConnectionSummary } from "../../service/connections.ts";
import { signedIn } from "../signed-in.ts";

export function accountPages(app: App, context: HttpContext): void {
  const { administrator, apps, catalog, clients, connections, config, urls } = context;
  type SetupParams = { Params: { token: string } };

  // A link may be fetched by anything that previews links; only the button uses it up.
  app.get<SetupParams>("/setup/:token", async (request, reply) => {
    await administrator.checkSetupLink(request.params.token);
    const body = html`<p>This link signs you in as the administrator of this Holdfast server. It works once.</p>
      <form method="post"><button>Sign in</button></form>`;
    return sendPage(reply, config, { title: "Sign in", body });
  });

  app.post<SetupParams>("/setup/:token", async (request, reply) => {
    if (!isSameOrigin(context, request, "if_sent")) throw new ApiError("csrf");
    const session = await administrator.signIn(request.params.token);
    setCookie(reply, config, "session", session, config.limits.session_absolute_ms / 1000);
    return reply.redirect(`${urls.public_url}/`, 303);
  });

  app.get("/", async (request, reply) => {
    const { session } = await signedIn(context, request);
    const list = await Promise.all(
      (await apps.list()).map(async (one) => ({ ...one, connections: await connections.list(one.id) })),
    );
    const registered = (await clients.list()).map((client) => client.integration_type);
    const body = html`${list.length === 0 ? html`<p>There is no app yet. On the server's machine: <code>holdfast apps create NAME</code></p>` : null}
      ${list.map(
        (one) =>
          html`<section>
            <h2>${one.name}</h2>
            <p class="soft"><code>${one.id}</code></p>
            ${serviceList(one.id, one.connections, registered)}
          </section>`,
      )}
      <form class="end" method="post" action="/sign-out">
        <input type="hidden" name="form_token" value="${formToken(session)}" />
        <button class="quiet">Sign out</button>
      </form>`;
    return sendPage(reply, config, { title: "Apps", body });
  });

  app.post<{ Body: Record<string, unknown> | undefined }>("/sign-out", async (request, reply) => {
    const { session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    await administrator.signOut(session);
    clearCookie(reply, config, "session");
    return sendPage(reply, config, { title: "Signed out", mark: "good", body: html`<p>You can close this page.</p>` });
  });

  /** What is connected, then what could be: the services that an OAuth client is set for. */
  function serviceList(app_id: string, rows: readonly ConnectionSummary[], registered: readonly string[]): Html {
    const connected = new Set(rows.map((row) => row.integration_type));
    const others = registered.filter((integration_type) => !connected.has(integration_type));
    if (rows.length + others.length === 0)
      return html`<p>
        No service can be connected yet: no OAuth client is set. On the server's machine:
        <code>holdfast clients set TYPE --client-id ID --client-secret-stdin</code>
      </p>`;
    return html`<ul class="rows">
      ${rows.map(
        ({ integration_type, status, account, reason }) =>
          html`<li>
            <span>${nameOf(integration_type)} <small>${account.label ?? account.email ?? account.id}</small></span>
            <span class="state ${status}" title="${reason ?? ""}">${status}</span>
            <a href="${urls.reconnect(app_id, integration_type)}">Reconnect</a>
          </li>`,
      )}
      ${others.map(
        (integration_type) =>
          html`<li>
            <span>${nameOf(integration_type)}</span>
            <a href="${urls.reconnect(app_id, integration_type)}">Connect</a>
          </li>`,
      )}
    </ul>`;
  }

  function nameOf(integration_type: string): string {
    return catalog.get(integration_type)?.display_name ?? integration_type;
  }
}

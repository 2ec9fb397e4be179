/** What a person sees of their own: the start page with the apps of their workspaces, and the account with its sessions. */
import { ApiError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { Membership } from "../../service/access/authorization.ts";
import type { ConnectionSummary } from "../../service/connections/types.ts";
import type { HttpServer } from "../fastify.ts";
import { browserPrincipal, checkForm, formToken, visitorOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { clearCookie, setCookie } from "../cookies.ts";
import { html, type Html } from "./html.ts";
import { sendPage } from "./page.ts";
import { shownBrowser, shownTime } from "./format.ts";
import { signedIn } from "./signed-in.ts";

type Form = { Body: Record<string, unknown> | undefined };

export function accountPages(app: HttpServer, context: HttpContext): void {
  const { accounts, apps, authorization, catalog, cliSessions, clients, connections, config, urls } = context;

  // What the public command line prints as an app's dashboard. The start page has all there is; whose app it is, is not looked at.
  app.get("/apps/:app/editor/workspace/*", (_request, reply) => reply.redirect(`${context.urls.public_url}/`, 302));

  app.get("/", async (request, reply) => {
    const { principal, person, session } = await signedIn(context, request);
    const workspaces = await authorization.workspaces(browserPrincipal(principal));
    const registered = (await clients.list()).map((client) => client.integration_type);
    const sections = await Promise.all(workspaces.map((workspace) => workspaceSection(workspace, registered)));
    const body = html`${sections.length === 0 ? html`<p>You are in no workspace. Somebody who is in one can invite you.</p>` : null}
      ${sections}
      <form class="end" method="post" action="/sign-out">
        <input type="hidden" name="form_token" value="${formToken(session)}" />
        <p class="soft">Signed in as ${person.email}. <a href="/account">Account</a></p>
        <button class="quiet">Sign out</button>
      </form>`;
    return sendPage(reply, config, { title: "Apps", body });
  });

  app.get("/account", async (request, reply) => {
    const { person, session } = await signedIn(context, request);
    const browsers = await accounts.listSessions(person.user_id);
    const commands = await cliSessions.list(person.user_id);
    const token = html`<input type="hidden" name="form_token" value="${formToken(session)}" />`;
    const end = (id: string): Html =>
      html`<form method="post" action="/account/sessions/end">
        ${token}<input type="hidden" name="session" value="${id}" /><button class="quiet">End</button>
      </form>`;
    const body = html`<p>${person.name}, ${person.email}</p>
      <section>
        <h2>Sessions</h2>
        <ul class="rows">
          ${browsers.map(
            (row) =>
              html`<li>
                <span
                  >${shownBrowser(row.user_agent)}
                  <small
                    >${row.ip_address ?? ""} since ${shownTime(row.created_at)}, last used
                    ${shownTime(row.updated_at)}</small
                  ></span
                >
                ${row.id === person.session_id ? html`<span class="state active">this one</span>` : end(row.id)}
              </li>`,
          )}
          ${commands.map(
            (row) =>
              html`<li>
                <span
                  >Command line
                  <small
                    >${row.address} since ${shownTime(row.created_at)}, last used ${shownTime(row.last_used_at)}</small
                  ></span
                >
                ${end(row.id)}
              </li>`,
          )}
        </ul>
        <form method="post" action="/account/sign-out-everywhere">
          ${token}<button class="quiet">Sign out everywhere</button>
        </form>
      </section>
      <section>
        <h2>Password</h2>
        <form method="post" action="/account/password">
          ${token}
          <label
            >Present password
            <input name="current" type="password" maxlength="128" autocomplete="current-password" required
          /></label>
          <label
            >New password <small>10 characters or more</small>
            <input name="password" type="password" minlength="10" maxlength="128" autocomplete="new-password" required
          /></label>
          <button>Change password</button>
        </form>
      </section>`;
    return sendPage(reply, config, { title: "Account", body });
  });

  app.post<Form>("/account/password", async (request, reply) => {
    const { person, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    const [current, next] = [secretOf(form["current"]), secretOf(form["password"])];
    const renewed = await accounts.changePassword(person, session, current, next, visitorOf(request));
    setCookie(reply, config, "session", renewed, config.limits.session_absolute_ms / 1000);
    const body = html`<p>All other sessions have ended. <a href="/account">Back to the account</a></p>`;
    return sendPage(reply, config, { title: "Password changed", mark: "good", body });
  });

  app.post<Form>("/account/sessions/end", async (request, reply) => {
    const { person, session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    const id = request.body?.["session"];
    if (typeof id !== "string") throw new ApiError("not_found");
    if (!(await cliSessions.end(person.user_id, id))) await accounts.endSession(person, id);
    return reply.redirect(`${urls.public_url}/account`, 303);
  });

  app.post<Form>("/account/sign-out-everywhere", async (request, reply) => {
    const { person, session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    await accounts.signOutEverywhere(person);
    clearCookie(reply, config, "session");
    const body = html`<p>All your sessions have ended, this one too. <a href="/sign-in">Sign in</a></p>`;
    return sendPage(reply, config, { title: "Signed out everywhere", mark: "good", body });
  });

  async function workspaceSection({ id, name }: Membership, registered: readonly string[]): Promise<Html> {
    const list = await Promise.all(
      (await apps.list(id)).map(async (one) => ({ ...one, connections: await connections.list(one.id) })),
    );
    return html`<h2>${name}</h2>
      <p><a href="/workspaces/${id}">Members, invitations, API keys</a></p>
      ${list.length === 0 ? html`<p>There is no app yet. On the server's machine: <code>holdfast apps create NAME</code></p>` : null}
      ${list.map(
        (one) =>
          html`<section>
            <h2>${one.name}</h2>
            <p class="soft"><code>${one.id}</code></p>
            ${serviceList(one.id, one.connections, registered)}
          </section>`,
      )}`;
  }

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

const secretOf = (value: unknown): Secret => new Secret(typeof value === "string" ? value.slice(0, 1_024) : "");

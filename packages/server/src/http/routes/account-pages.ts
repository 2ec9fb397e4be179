/** Signing in by the setup link, the start page, and signing out. */
import type { App } from "../app.ts";
import { checkForm, formToken, isSameOrigin } from "../auth.ts";
import { ApiError } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { clearCookie, setCookie } from "../cookies.ts";
import { html, type Html } from "../html.ts";
import { sendPage } from "../page.ts";
import { signedIn } from "../signed-in.ts";

export function accountPages(app: App, context: HttpContext): void {
  const { administrator, apps, connections, config, urls } = context;
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
    const body = html`${list.length === 0 ? html`<p>There is no app yet. On the server's machine: <code>holdfast apps create NAME</code></p>` : null}
      ${list.map(
        (one) =>
          html`<h2>${one.name}</h2>
            <p class="soft"><code>${one.id}</code></p>
            ${connectionList(one.id, one.connections)}`,
      )}
      <form method="post" action="/sign-out">
        <input type="hidden" name="form_token" value="${formToken(session)}" /><button>Sign out</button>
      </form>`;
    return sendPage(reply, config, { title: "Apps", body });
  });

  app.post<{ Body: Record<string, unknown> | undefined }>("/sign-out", async (request, reply) => {
    const { session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    await administrator.signOut(session);
    clearCookie(reply, config, "session");
    return sendPage(reply, config, { title: "Signed out", body: html`<p>You can close this page.</p>` });
  });

  function connectionList(app_id: string, rows: Awaited<ReturnType<typeof connections.list>>): Html {
    if (rows.length === 0) return html`<p>Nothing is connected.</p>`;
    return html`<ul>
      ${rows.map(
        (row) =>
          html`<li>
            ${row.integration_type}: ${row.status}${row.account.label === null ? null : ` (${row.account.label})`}
            <a href="${urls.reconnect(app_id, row.integration_type)}">connect again</a>
          </li>`,
      )}
    </ul>`;
  }
}

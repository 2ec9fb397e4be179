/**
 * A workspace on one page: members, invitations, API keys, each with its forms for who may use them. The same deeds as
 * routes/workspaces.ts, in the audit trail under the same names. What is made here and shown once is in the answer to the form
 * itself, since an address is no place for it.
 *
 * Errors: ApiError `sign_in_required`, `csrf`, `not_found`, `insufficient_role`, `invalid_field`, and those of the services.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "../../core/errors.ts";
import { asUserId, asWorkspaceId } from "../../core/ids.ts";
import { ROLES, roleReaches, SCOPES, type Role } from "../../core/roles.ts";
import { plus, type UserId, type WorkspaceId } from "../../core/types.ts";
import type { Action } from "../../service/access/authorization.ts";
import type { HttpServer } from "../fastify.ts";
import { record, type AuditedAction } from "../audit.ts";
import { browserPrincipal, checkForm, formToken } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { sendPage, type Page } from "./page.ts";
import { signedIn } from "./signed-in.ts";
import { invitedPage, KEY_LIVES, madeKeyPage, workspacePage } from "./workspace-views.ts";

const BASE = "/workspaces/:workspace";
const DAY_MS = 86_400_000;
/** Longest id or other word of a form. */
const WORD_LENGTH = 64;
/** What a person types is judged by the services, with more to say than that it is too long. */
const TEXT_LENGTH = 400;

type Params = { Params: { workspace: string } };
type Form = { Body: Record<string, unknown> | undefined };

/** Somebody's filled-in form, after all checks that have nothing to do with what it says. */
interface Sent {
  readonly id: WorkspaceId;
  readonly path: string;
  readonly user_id: UserId;
  readonly actor: string;
  /** The person's, there. */
  readonly role: Role;
  /** '' for what is not there. */
  readonly word: (name: string) => string;
  readonly text: (name: string) => string;
  readonly done: (audited: Pick<AuditedAction, "action" | "target">) => void;
}

export function workspacePages(app: HttpServer, context: HttpContext): void {
  const { workspaces, apiKeys, authorization, clock, config, urls } = context;

  app.get<Params>(BASE, async (request, reply) => {
    const { person, session } = await signedIn(context, request);
    const id = asWorkspaceId(request.params.workspace);
    const role = await authorization.require(browserPrincipal(person.user_id), id, "member.read");
    const is_admin = roleReaches(role, "admin");
    const [workspace, members, invitations, keys] = await Promise.all([
      workspaces.get(id),
      workspaces.members(id),
      is_admin ? workspaces.invitations(id) : [],
      is_admin ? apiKeys.list(id) : [],
    ]);
    const now = clock.now();
    const shown = {
      workspace,
      role,
      me: person.user_id,
      members,
      invitations,
      keys,
      now,
      form_token: formToken(session),
    };
    return sendPage(reply, config, workspacePage(shown));
  });

  /** A form that ends on a page of its own, or back on the workspace's. */
  function onForm(path: string, action: Action, handle: (sent: Sent) => Promise<Page | null>): void {
    app.post<Params & Form>(`${BASE}/${path}`, async (request, reply) => {
      const sent = await receive(request, action);
      const page = await handle(sent);
      return page === null ? back(reply, sent) : sendPage(reply, config, page);
    });
  }

  async function receive(request: FastifyRequest<Params & Form>, action: Action): Promise<Sent> {
    const { person, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    const principal = browserPrincipal(person.user_id);
    const id = asWorkspaceId(request.params.workspace);
    const role = await authorization.require(principal, id, action);
    const text = (name: string, length = TEXT_LENGTH): string => {
      const value = form[name];
      return typeof value === "string" ? value.slice(0, length) : "";
    };
    const { actor } = principal;
    return {
      id,
      path: `/workspaces/${id}`,
      user_id: person.user_id,
      actor,
      role,
      word: (name) => text(name, WORD_LENGTH),
      text,
      done: (audited) => record(context, request, { ...audited, actor, workspace_id: id }),
    };
  }

  /** Who has just given up their place does not see the page any more. */
  async function back(reply: FastifyReply, { id, user_id, path }: Sent): Promise<FastifyReply> {
    const role = await authorization.roleIn(browserPrincipal(user_id), id);
    return reply.redirect(`${urls.public_url}${role === null ? "/" : path}`, 303);
  }

  onForm("members/role", "member.manage", async ({ id, role, word, done }) => {
    const [user, next] = [word("user"), oneOf(ROLES, "role", word("role"))];
    await workspaces.setRole(id, asUserId(user), next, role);
    done({ action: "member.role", target: `${user}:${next}` });
    return null;
  });

  onForm("members/remove", "member.manage", async ({ id, role, word, done }) => {
    const user = word("user");
    await workspaces.setRole(id, asUserId(user), null, role);
    done({ action: "member.remove", target: user });
    return null;
  });

  onForm("leave", "workspace.leave", async ({ id, user_id, role, done }) => {
    await workspaces.setRole(id, user_id, null, role);
    done({ action: "workspace.leave" });
    return null;
  });

  onForm("invitations", "member.manage", async ({ id, path, role: by, actor, word, text, done }) => {
    const invitation = { email: text("email"), role: oneOf(ROLES, "role", word("role")), by, actor };
    const invited = await workspaces.invite(id, invitation);
    done({ action: "invitation.create", target: invited.id });
    return invitedPage(path, invitation.email, invited.invitation_url);
  });

  onForm("invitations/revoke", "member.manage", async ({ id, word, done }) => {
    const invitation = word("invitation");
    await workspaces.revokeInvitation(id, invitation);
    done({ action: "invitation.revoke", target: invitation });
    return null;
  });

  onForm("keys", "api_key.manage", async ({ id, path, user_id, word, text, done }) => {
    const scope = oneOf(SCOPES, "scope", word("scope"));
    const days = KEY_LIVES.find(({ value }) => value === word("life"))?.days;
    if (days === undefined) throw wrong("life");
    const expires_at = days === null ? null : plus(clock.now(), days * DAY_MS);
    const name = text("name");
    const made = await apiKeys.create({ workspace_id: id, user_id, name, scope, expires_at });
    done({ action: "api_key.create", target: made.id });
    return madeKeyPage(path, name, made.api_key);
  });

  onForm("keys/revoke", "api_key.manage", async ({ id, word, done }) => {
    const key = word("key");
    await apiKeys.revoke(id, key);
    done({ action: "api_key.revoke", target: key });
    return null;
  });
}

function oneOf<V extends string>(values: readonly V[], name: string, given: string): V {
  const found = values.find((value) => value === given);
  if (found === undefined) throw wrong(name);
  return found;
}

const wrong = (name: string): ApiError =>
  new ApiError("invalid_field", { errors: [{ name, message: "is none of the values that the page offers" }] });

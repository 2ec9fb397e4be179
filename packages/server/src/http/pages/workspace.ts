/**
 * A workspace on one page: members, invitations and API keys, with the forms that the user's role
 * allows. The forms do the same as api/workspaces.ts, and record the same actions. The reply to a
 * form shows a new link or key once, because an address must not contain it.
 *
 * Errors: CodedError `sign_in_required`, `csrf`, `not_found`, `insufficient_role`, `invalid_field`,
 * and those of the services.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { CodedError } from "../../core/errors.ts";
import { asUserId, asWorkspaceId } from "../../core/ids.ts";
import { ROLES, roleReaches, SCOPES, type Role } from "../../core/roles.ts";
import { plus, type UserId, type WorkspaceId } from "../../core/types.ts";
import type { Action } from "../../service/access/actions.ts";
import type { AuditEntry } from "../../service/audit.ts";
import { browserPrincipal, checkForm, formToken } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import type { HttpServer } from "../fastify.ts";
import { textOf, type FormRoute } from "./form.ts";
import { sendPage, type Page } from "./page.ts";
import { signedIn } from "./signed-in.ts";
import { createdKeyPage, invitedPage, KEY_LIFETIMES, workspacePage } from "./workspace-views.ts";

const BASE = "/workspaces/:workspace";
const DAY_MS = 86_400_000;
/** Longest id or option of a form. */
const MAX_WORD_LENGTH = 64;
/** The services check what users type, with better messages than "too long". */
const MAX_TEXT_LENGTH = 400;

interface WorkspaceRoute {
  Params: { workspace: string };
}

/** A submitted form, after every check that does not concern its fields. */
interface Submission {
  readonly id: WorkspaceId;
  readonly path: string;
  readonly user_id: UserId;
  readonly actor: string;
  /** The user's role in this workspace. */
  readonly role: Role;
  /** Returns an id or option, or '' when the field is absent. */
  readonly word: (name: string) => string;
  readonly text: (name: string) => string;
  readonly audit: (action: Pick<AuditEntry, "action" | "target">) => void;
}

/** Handles a submission. Returns the page to show, or null to return to the workspace. */
type Handle = (context: HttpContext, submission: Submission) => Promise<Page | null>;

interface FormHandler {
  readonly path: string;
  /** The action that the user must be allowed to do. */
  readonly action: Action;
  readonly handle: Handle;
}

const FORMS: readonly FormHandler[] = [
  { path: "members/role", action: "member.manage", handle: changeRole },
  { path: "members/remove", action: "member.manage", handle: removeMember },
  { path: "leave", action: "workspace.leave", handle: leave },
  { path: "invitations", action: "member.manage", handle: invite },
  { path: "invitations/revoke", action: "member.manage", handle: revokeInvitation },
  { path: "keys", action: "api_key.manage", handle: createKey },
  { path: "keys/revoke", action: "api_key.manage", handle: revokeKey },
];

export function workspacePages(server: HttpServer, context: HttpContext): void {
  viewRoute(server, context);
  for (const { path, action, handle } of FORMS)
    server.post<WorkspaceRoute & FormRoute>(`${BASE}/${path}`, async (request, reply) => {
      const submission = await receive(context, request, action);
      const page = await handle(context, submission);
      return page === null
        ? await redirectBack(context, reply, submission)
        : await sendPage(reply, context.config, page);
    });
}

function viewRoute(server: HttpServer, context: HttpContext): void {
  const { workspaces, apiKeys, authorization, clock, config } = context;

  server.get<WorkspaceRoute>(BASE, async (request, reply) => {
    const { user, session } = await signedIn(context, request);
    const id = asWorkspaceId(request.params.workspace);
    const role = await authorization.require(browserPrincipal(user.user_id), id, "member.read");
    const is_admin = roleReaches(role, "admin");
    const [workspace, members, invitations, keys] = await Promise.all([
      workspaces.get(id),
      workspaces.members(id),
      is_admin ? workspaces.invitations(id) : [],
      is_admin ? apiKeys.list(id) : [],
    ]);
    const { user_id } = user;
    const [now, form_token] = [clock.now(), formToken(session)];
    return await sendPage(
      reply,
      config,
      workspacePage({ workspace, role, user_id, members, invitations, keys, now, form_token }),
    );
  });
}

async function receive(
  context: HttpContext,
  request: FastifyRequest<WorkspaceRoute & FormRoute>,
  action: Action,
): Promise<Submission> {
  const { user, session } = await signedIn(context, request);
  const form = request.body ?? {};
  checkForm(context, request, session, form["form_token"]);
  const principal = browserPrincipal(user.user_id);
  const id = asWorkspaceId(request.params.workspace);
  const role = await context.authorization.require(principal, id, action);
  const { actor } = principal;
  return {
    id,
    path: `/workspaces/${id}`,
    user_id: user.user_id,
    actor,
    role,
    word: (name) => textOf(form[name], MAX_WORD_LENGTH),
    text: (name) => textOf(form[name], MAX_TEXT_LENGTH),
    audit: (audited) => context.audit.record({ ...audited, actor, workspace_id: id }),
  };
}

/** Redirects to the workspace, or to the start page when the user has just left it. */
async function redirectBack(
  { authorization, urls }: HttpContext,
  reply: FastifyReply,
  { id, user_id, path }: Submission,
): Promise<FastifyReply> {
  const role = await authorization.roleIn(browserPrincipal(user_id), id);
  return await reply.redirect(`${urls.public_url}${role === null ? "/" : path}`, 303);
}

async function changeRole({ workspaces }: HttpContext, { id, role, word, audit }: Submission): Promise<null> {
  const [user, next] = [word("user"), optionOf(ROLES, "role", word("role"))];
  await workspaces.setRole(id, asUserId(user), next, role);
  audit({ action: "member.role", target: `${user}:${next}` });
  return null;
}

async function removeMember({ workspaces }: HttpContext, { id, role, word, audit }: Submission): Promise<null> {
  const user = word("user");
  await workspaces.setRole(id, asUserId(user), null, role);
  audit({ action: "member.remove", target: user });
  return null;
}

async function leave({ workspaces }: HttpContext, { id, user_id, role, audit }: Submission): Promise<null> {
  await workspaces.setRole(id, user_id, null, role);
  audit({ action: "workspace.leave" });
  return null;
}

async function invite({ workspaces }: HttpContext, submission: Submission): Promise<Page> {
  const { id, path, role: by, actor, word, text } = submission;
  const invitation = { email: text("email"), role: optionOf(ROLES, "role", word("role")), by, actor };
  const invited = await workspaces.invite(id, invitation);
  submission.audit({ action: "invitation.create", target: invited.id });
  return invitedPage(path, invitation.email, invited.invitation_url);
}

async function revokeInvitation({ workspaces }: HttpContext, { id, word, audit }: Submission): Promise<null> {
  const invitation = word("invitation");
  await workspaces.revokeInvitation(id, invitation);
  audit({ action: "invitation.revoke", target: invitation });
  return null;
}

async function createKey({ apiKeys, clock }: HttpContext, submission: Submission): Promise<Page> {
  const { id, path, user_id, word, text } = submission;
  const scope = optionOf(SCOPES, "scope", word("scope"));
  const days = KEY_LIFETIMES.find(({ value }) => value === word("life"))?.days;
  if (days === undefined) throw notAnOption("life");
  const expires_at = days === null ? null : plus(clock.now(), days * DAY_MS);
  const name = text("name");
  const created = await apiKeys.create({ workspace_id: id, user_id, name, scope, expires_at });
  submission.audit({ action: "api_key.create", target: created.id });
  return createdKeyPage(path, name, created.api_key);
}

async function revokeKey({ apiKeys }: HttpContext, { id, word, audit }: Submission): Promise<null> {
  const key = word("key");
  await apiKeys.revoke(id, key);
  audit({ action: "api_key.revoke", target: key });
  return null;
}

/** @throws CodedError `invalid_field` */
function optionOf<V extends string>(options: readonly V[], name: string, value: string): V {
  const option = options.find((one) => one === value);
  if (option === undefined) throw notAnOption(name);
  return option;
}

function notAnOption(name: string): CodedError {
  return new CodedError("invalid_field", { errors: [{ name, message: "is not one of the options on the page" }] });
}

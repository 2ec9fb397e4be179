/**
 * Setup links: the first account, a forgotten password, the demo's account. A command on the
 * server's machine creates them. Each creates an admin. This gives a user of that machine no new
 * power, since the database and the keys are there.
 */
import { CodedError } from "../../core/errors.ts";
import { asUserId, newWorkspaceId, randomToken } from "../../core/ids.ts";
import { roleReaches } from "../../core/roles.ts";
import { sha256Hex, type Secret } from "../../core/secret.ts";
import { plus, type UserId, type WorkspaceId } from "../../core/types.ts";
import { endAllSessions, openSession } from "./sessions.ts";
import { checkAccount, signUp } from "./sign-in.ts";
import type { AccountDeps, NewAccount, Visitor } from "./types.ts";

/** No mail reaches this name (RFC 2606 §2). */
const DEMO_EMAIL = "demo@holdfast.example";
const LINK_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** The data on a setup link's page. */
export interface SetupView {
  /**
   * The link signs in as this account, without a question. Null when the page asks for an account.
   */
  readonly as: { readonly name: string; readonly email: string } | null;
  readonly is_first: boolean;
}

export async function createSetupLink(
  { store, urls, clock, limits }: AccountDeps,
  user_id: UserId | null,
): Promise<string> {
  const token = randomToken();
  await store.createSetupLink(sha256Hex(token), plus(clock.now(), limits.setup_link_ttl_ms), user_id);
  return urls.setup(token);
}

export async function viewSetup({ store }: AccountDeps, token: string): Promise<SetupView> {
  const { user_id } = await openLink(store, token);
  const as = user_id === null ? null : await store.getUser(user_id);
  return { as, is_first: !(await store.hasUsers()) };
}

async function openLink(store: AccountDeps["store"], token: string) {
  const link = LINK_PATTERN.test(token) ? await store.openSetupLink(sha256Hex(token)) : null;
  if (link === null) throw new CodedError("setup_link_invalid");
  return link;
}

export async function setUp(deps: AccountDeps, token: string, account: NewAccount, visitor: Visitor): Promise<Secret> {
  const { user_id } = await openLink(deps.store, token);
  // Checked first: a mistyped account must not use up the link.
  const checked = user_id === null ? checkAccount(account) : null;
  if (!(await deps.store.useSetupLink(sha256Hex(token)))) throw new CodedError("setup_link_invalid");
  if (checked !== null) return await setUpAdmin(deps, checked, visitor);
  if (user_id === null) throw new CodedError("internal");
  record(deps, user_id, "account.sign_in", visitor);
  return await openSession(deps, user_id, visitor);
}

/** Creates the account, or sets the password of the existing account with this address. */
async function setUpAdmin(deps: AccountDeps, account: NewAccount, visitor: Visitor): Promise<Secret> {
  const known = await deps.store.findUser(account.email);
  if (known === null) {
    const { user_id, session } = await signUp(deps, account, visitor);
    await makeAdmin(deps, user_id);
    record(deps, user_id, "account.create", visitor);
    return session;
  }
  await setPassword(deps, known.id, account.password);
  await makeAdmin(deps, known.id);
  record(deps, known.id, "account.set_password", visitor);
  return await openSession(deps, known.id, visitor);
}

function record({ audit }: AccountDeps, user_id: UserId, action: string, { request_id }: Visitor): void {
  audit.record({ actor: "setup_link", action, target: user_id, request_id });
}

async function setPassword(deps: AccountDeps, user_id: UserId, password: Secret): Promise<void> {
  const { callLibrary } = deps;
  const { internalAdapter, password: passwords } = await callLibrary(({ $context }) => $context);
  const hash = await passwords.hash(password.expose());
  const account = await callLibrary(() => internalAdapter.findCredentialAccount(user_id));
  const credential = { userId: user_id, providerId: "credential", accountId: user_id, password: hash };
  if (account === null) await callLibrary(() => internalAdapter.linkAccount(credential));
  else await callLibrary(() => internalAdapter.updatePassword(user_id, hash));
  // An intruder who knew the old password could hold one of them.
  await endAllSessions(deps, user_id);
}

/** Makes the user an owner of the first workspace, unless already an admin or owner there. */
async function makeAdmin(deps: AccountDeps, user_id: UserId): Promise<WorkspaceId> {
  const { store, callLibrary, credentials, default_plan } = deps;
  const workspace_id = await store.defaultWorkspace(newWorkspaceId(), default_plan);
  const role = await store.roleOf(user_id, workspace_id);
  const member = { organizationId: workspace_id, userId: user_id, role: "owner" } as const;
  if (role === null) await callLibrary(({ api }) => api.addMember({ body: member }));
  else if (!roleReaches(role, "admin")) await store.setRole(workspace_id, user_id, "owner", "owner");
  await store.adoptApiKeys(workspace_id, user_id);
  credentials.clear();
  return workspace_id;
}

/**
 * Creates the account of a new demo: no password, owner of the first workspace. A setup link signs
 * in as it.
 */
export async function createDemoBuilder(
  deps: AccountDeps,
): Promise<{ readonly user_id: UserId; readonly workspace_id: WorkspaceId }> {
  const { callLibrary } = deps;
  const { internalAdapter } = await callLibrary(({ $context }) => $context);
  const account = { name: "Demo", email: DEMO_EMAIL };
  const user = await callLibrary(() => internalAdapter.createUser(account, { method: "email-password" }));
  const user_id = asUserId(user.id);
  return { user_id, workspace_id: await makeAdmin(deps, user_id) };
}

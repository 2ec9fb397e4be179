/**
 * Builders' accounts: setup links, signing in, browser sessions, passwords. Owns the rules that the
 * account library does not have: guesses are counted, a session ends after its maximum age, and
 * only an invited user or the holder of a setup link gets an account. The library (library.ts) owns
 * passwords and session tokens. Must not know HTTP, cookies or apps.
 *
 * Errors: CodedError `sign_in_failed`, `rate_limited`, `setup_link_invalid`, `invalid_name`,
 * `invalid_email`, `invalid_password`, `already_exists`, and the store's errors.
 */
import { asWorkspaceId, randomToken } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import type { UserId, WorkspaceId } from "../../core/types.ts";
import type { SessionRow } from "../../store/queries/accounts.ts";
import { createCallLibrary, type CallLibrary } from "./call-library.ts";
import { endSession, userOf, signOut, signOutEverywhere } from "./sessions.ts";
import { createDemoBuilder, createSetupLink, setUp, viewSetup, type SetupView } from "./setup.ts";
import { changePassword, createAccount, signIn } from "./sign-in.ts";
import type { AccountsDeps, NewAccount, SessionUser, Visitor } from "./types.ts";

export type { NewAccount, SessionUser, SetupView, Visitor };

/** A session's secret goes into the cookie. */
export interface Accounts {
  /** Returns a link that signs in as the user, or asks for an account. Earlier links stay valid. */
  createSetupLink(user_id?: UserId): Promise<string>;
  /** Creates the demo's account: no password, owner of the first workspace. */
  createDemoBuilder(): Promise<{ readonly user_id: UserId; readonly workspace_id: WorkspaceId }>;
  hasAccounts(): Promise<boolean>;
  viewSetup(token: string): Promise<SetupView>;
  /** Consumes the link and returns a session. Ignores `account` if the link names its user. */
  setUp(token: string, account: NewAccount, visitor: Visitor): Promise<Secret>;
  signIn(email: string, password: Secret, visitor: Visitor): Promise<Secret>;
  /** Creates an account for an invited user. */
  createAccount(account: NewAccount, visitor: Visitor): Promise<{ user_id: UserId; session: Secret }>;
  /** Creates a workspace with its owner as the only member. */
  createWorkspace(name: string, owner: UserId): Promise<WorkspaceId>;
  /** Returns the session's user, or null when the session is unknown or expired. */
  userOf(session: Secret): Promise<SessionUser | null>;
  signOut(session: Secret): Promise<void>;
  /** Changes the password, ends all other sessions, and returns the new one. */
  changePassword(user: SessionUser, session: Secret, current: Secret, next: Secret, visitor: Visitor): Promise<Secret>;
  listSessions(user_id: UserId): Promise<readonly SessionRow[]>;
  /** @throws CodedError `not_found` */
  endSession(user: SessionUser, session_id: string): Promise<void>;
  /** Ends the sessions of browsers and of command lines. */
  signOutEverywhere(user: SessionUser): Promise<void>;
}

export function createAccounts(ground: AccountsDeps): Accounts {
  const deps = { ...ground, callLibrary: createCallLibrary(ground) };
  const { store, callLibrary } = deps;
  return {
    createSetupLink: (user_id) => createSetupLink(deps, user_id ?? null),
    createDemoBuilder: () => createDemoBuilder(deps),
    hasAccounts: () => store.hasUsers(),
    viewSetup: (token) => viewSetup(deps, token),
    setUp: (token, account, visitor) => setUp(deps, token, account, visitor),
    signIn: (email, password, visitor) => signIn(deps, email, password, visitor),
    createAccount: (account, visitor) => createAccount(deps, account, visitor),
    createWorkspace: (name, owner) => createWorkspace(callLibrary, name, owner),
    userOf: (session) => userOf(deps, session),
    signOut: (session) => signOut(deps, session),
    changePassword: (...change) => changePassword(deps, ...change),
    listSessions: (user_id) => store.listSessions(user_id),
    endSession: (user, session_id) => endSession(deps, user, session_id),
    signOutEverywhere: (user) => signOutEverywhere(deps, user),
  };
}

async function createWorkspace(callLibrary: CallLibrary, name: string, owner: UserId): Promise<WorkspaceId> {
  // The library requires a slug. No page or API shows it.
  const slug = randomToken();
  const created = await callLibrary(({ api }) => api.createOrganization({ body: { name, slug, userId: owner } }));
  return asWorkspaceId(created.id);
}

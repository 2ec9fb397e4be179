/**
 * Builders' accounts: the setup link, signing in, sessions, passwords. What a password or a session is worth is asked of the
 * account library, which is loaded when the first page needs it; here stands what it does not know: that guesses are counted,
 * that a session ends after seven days however much it is used, and who may make an account without being invited.
 *
 * Whoever runs commands on the server's machine can make a setup link, and with it an administrator: they hold the database
 * and the keys anyway.
 *
 * Errors: ApiError `sign_in_failed`, `rate_limited`, `setup_link_invalid`, `invalid_name`, `invalid_email`,
 * `invalid_password`, `already_exists`, and those of the database.
 */
import { systemClock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { asUserId, asWorkspaceId, newWorkspaceId, randomToken } from "../../core/ids.ts";
import { roleReaches } from "../../core/roles.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { plus, type UserId, type WorkspaceId } from "../../core/types.ts";
import type { SessionRow } from "../../store/queries/accounts.ts";
import type { AccountLibrary } from "./library.ts";
import { ADDRESS_HEADER, PASSWORD_LENGTH } from "./password-rules.ts";
import type { Audit } from "../audit.ts";
import type { CliSessions } from "../access/cli-sessions.ts";
import { checkEmail, checkName } from "../../core/names.ts";
import type { RateLimits } from "../access/rate-limits.ts";
import type { Ground } from "../ground.ts";
import type { Credentials } from "../access/credentials.ts";

/** A name that no mail reaches (RFC 2606 §2). */
const DEMO_EMAIL = "demo@holdfast.example";
const LINK_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** Whose a browser session is. */
export interface Person {
  readonly user_id: UserId;
  readonly name: string;
  readonly email: string;
  readonly session_id: string;
}

/** Where somebody signs in: remembered with the session, and counted. */
export interface Visitor {
  readonly address: string;
  /** What counts as one client. */
  readonly network: string;
  readonly user_agent: string;
  readonly request_id: string | null;
}

export interface NewAccount {
  readonly name: string;
  readonly email: string;
  readonly password: Secret;
}

/** What the page of a setup link shows. */
export interface SetupView {
  /** Signs in as this one, without a question. Null: asks who one is. */
  readonly as: { readonly name: string; readonly email: string } | null;
  readonly is_first: boolean;
}

/** A session's secret goes into the cookie. */
export interface Accounts {
  /** Without `user_id` it makes an account, or sets the password of one. Earlier links stay good until used or over. */
  createSetupLink(user_id?: UserId): Promise<string>;
  /** Of a new demo: an account without a password, owner of the first workspace. A setup link signs in as it. */
  createDemoBuilder(): Promise<{ readonly user_id: UserId; readonly workspace_id: WorkspaceId }>;
  hasAccounts(): Promise<boolean>;
  viewSetup(token: string): Promise<SetupView>;
  /** Uses the link up. `given` is needed unless the link says whom it signs in. */
  setUp(token: string, given: NewAccount, visitor: Visitor): Promise<Secret>;
  signIn(email: string, password: Secret, visitor: Visitor): Promise<Secret>;
  /** For who was invited. */
  createAccount(given: NewAccount, visitor: Visitor): Promise<{ user_id: UserId; session: Secret }>;
  /** With its owner as the only member. */
  createWorkspace(name: string, owner: UserId): Promise<WorkspaceId>;
  personOf(session: Secret): Promise<Person | null>;
  signOut(session: Secret): Promise<void>;
  /** All other sessions end. */
  changePassword(person: Person, session: Secret, current: Secret, next: Secret, visitor: Visitor): Promise<Secret>;
  listSessions(user_id: UserId): Promise<readonly SessionRow[]>;
  endSession(person: Person, session_id: string): Promise<void>;
  /** Browsers and command lines. */
  signOutEverywhere(person: Person): Promise<void>;
}

export interface AccountsDeps extends Pick<Ground, "store" | "keyring" | "urls" | "clock" | "limits" | "default_plan"> {
  readonly rateLimits: RateLimits;
  readonly cliSessions: Pick<CliSessions, "endAll">;
  readonly audit: Audit;
  readonly credentials: Pick<Credentials, "clear">;
}

export function createAccounts(deps: AccountsDeps): Accounts {
  const { store, rateLimits, cliSessions, audit, urls, clock, limits, default_plan, credentials } = deps;
  let loading: Promise<AccountLibrary> | null = null;

  function library(): Promise<AccountLibrary> {
    loading ??= import("./library.ts").then(({ createAccountLibrary }) =>
      createAccountLibrary({
        ...deps,
        public_url: urls.public_url,
        secret: deps.keyring.deriveKey("accounts").toString("base64url"),
      }),
    );
    return loading;
  }

  async function ask<T>(question: (library: AccountLibrary) => Promise<T>): Promise<T> {
    try {
      return await question(await library());
    } catch (error) {
      throw translate(error);
    }
  }

  function record(user_id: UserId, action: string, actor: string, visitor: Pick<Visitor, "request_id"> | null): void {
    audit.record({ app_id: "", actor, action, target: user_id, request_id: visitor?.request_id ?? null });
  }

  async function openLink(token: string) {
    const link = LINK_PATTERN.test(token) ? await store.openSetupLink(sha256Hex(token)) : null;
    if (link === null) throw new ApiError("setup_link_invalid");
    return link;
  }

  async function viewSetup(token: string): Promise<SetupView> {
    const { user_id } = await openLink(token);
    const as = user_id === null ? null : await store.getUser(user_id);
    return { as, is_first: !(await store.hasUsers()) };
  }

  async function setUp(token: string, given: NewAccount, visitor: Visitor): Promise<Secret> {
    const link = await openLink(token);
    const checked = link.user_id === null ? checkAccount(given) : null;
    if (!(await store.useSetupLink(sha256Hex(token)))) throw new ApiError("setup_link_invalid");
    if (link.user_id !== null) {
      record(link.user_id, "account.sign_in", "setup_link", visitor);
      return openSession(link.user_id, visitor);
    }
    if (checked === null) throw new ApiError("internal");
    const known = await store.findUser(checked.email);
    if (known === null) {
      const { user_id, session } = await signUp(checked, visitor);
      await makeAdministrator(user_id);
      record(user_id, "account.create", "setup_link", visitor);
      return session;
    }
    await setPassword(known.id, checked.password);
    await makeAdministrator(known.id);
    record(known.id, "account.set_password", "setup_link", visitor);
    return openSession(known.id, visitor);
  }

  async function signUp({ name, email, password }: NewAccount, visitor: Visitor) {
    if ((await store.findUser(email)) !== null)
      throw new ApiError("already_exists", {
        message: "There is an account with this e-mail address. Sign in with it.",
      });
    const { token, user } = await ask(({ api }) =>
      api.signUpEmail({ body: { name, email, password: password.expose() }, headers: headersOf(visitor) }),
    );
    if (token === null) throw new ApiError("internal");
    return { user_id: asUserId(user.id), session: new Secret(token) };
  }

  /** The one way to an account's session without its password: a link from the server's own machine. */
  async function openSession(user_id: UserId, { address, user_agent }: Visitor): Promise<Secret> {
    const { internalAdapter } = await ask(({ $context }) => $context);
    const session = await ask(() =>
      internalAdapter.createSession(user_id, false, { ipAddress: address, userAgent: user_agent }),
    );
    return new Secret(session.token);
  }

  async function setPassword(user_id: UserId, password: Secret): Promise<void> {
    const { internalAdapter, password: passwords } = await ask(({ $context }) => $context);
    const hash = await passwords.hash(password.expose());
    const account = await ask(() => internalAdapter.findCredentialAccount(user_id));
    const credential = { userId: user_id, providerId: "credential", accountId: user_id, password: hash };
    if (account === null) await ask(() => internalAdapter.linkAccount(credential));
    else await ask(() => internalAdapter.updatePassword(user_id, hash));
    // Whoever knew the old password may sit in one of them.
    await endAll(user_id);
  }

  async function endAll(user_id: UserId): Promise<void> {
    await store.deleteLibraryRows("auth_session", [{ column: "user_id", operator: "=", value: user_id }]);
    await cliSessions.endAll(user_id);
  }

  /** Owner of the installation's own workspace, unless an administrator of it already. */
  async function makeAdministrator(user_id: UserId): Promise<WorkspaceId> {
    const workspace_id = await store.defaultWorkspace(newWorkspaceId(), default_plan);
    const role = await store.roleOf(user_id, workspace_id);
    if (role === null)
      await ask(({ api }) => api.addMember({ body: { organizationId: workspace_id, userId: user_id, role: "owner" } }));
    else if (!roleReaches(role, "admin")) await store.setRole(workspace_id, user_id, "owner", "owner");
    await store.adoptApiKeys(workspace_id, user_id);
    credentials.clear();
    return workspace_id;
  }

  async function signIn(given: string, password: Secret, visitor: Visitor): Promise<Secret> {
    const email = given.normalize("NFC").trim().toLowerCase();
    const session = await rateLimits.attempt(guesses(email, visitor), () =>
      ask(async ({ api }) => {
        const { token } = await api.signInEmail({
          body: { email, password: password.expose() },
          headers: headersOf(visitor),
        });
        return token;
      }).catch(wrongPassword),
    );
    if (session === null) throw new ApiError("sign_in_failed");
    return new Secret(session);
  }

  /** For an account and for an address. Unknown accounts are counted alike. */
  function guesses(account: string, { network }: Visitor) {
    const rule = { limit: limits.failed_sign_ins, window_ms: limits.failed_sign_ins_window_ms };
    return [
      { key: `sign_in:account:${account}`, ...rule },
      { key: `sign_in:address:${network}`, ...rule },
    ];
  }

  async function personOf(session: Secret): Promise<Person | null> {
    const found = await ask(({ api }) => api.getSession({ headers: headersOf(null, session) }));
    if (found === null) return null;
    const { user, session: row } = found;
    // The library moves the end with each use; its times are the system's.
    if (systemClock.now() - row.createdAt.getTime() > limits.session_absolute_ms) {
      await store.endSession(asUserId(user.id), row.id);
      return null;
    }
    return { user_id: asUserId(user.id), name: user.name, email: user.email, session_id: row.id };
  }

  async function changePassword(
    person: Person,
    session: Secret,
    current: Secret,
    next: Secret,
    visitor: Visitor,
  ): Promise<Secret> {
    checkPassword(next);
    const token = await rateLimits.attempt(guesses(person.email, visitor), () =>
      ask(async ({ api }) => {
        const changed = await api.changePassword({
          body: { currentPassword: current.expose(), newPassword: next.expose(), revokeOtherSessions: true },
          headers: headersOf(visitor, session),
        });
        return changed.token;
      }).catch(wrongPassword),
    );
    if (token === null) throw new ApiError("sign_in_failed", { message: "The present password is wrong." });
    await cliSessions.endAll(person.user_id);
    record(person.user_id, "account.change_password", `user:${person.user_id}`, visitor);
    return new Secret(token);
  }

  return {
    async createSetupLink(user_id) {
      const token = randomToken();
      await store.createSetupLink(sha256Hex(token), plus(clock.now(), limits.setup_link_ttl_ms), user_id ?? null);
      return urls.setup(token);
    },
    async createDemoBuilder() {
      const { internalAdapter } = await ask(({ $context }) => $context);
      const user = await ask(() =>
        internalAdapter.createUser({ name: "Demo", email: DEMO_EMAIL }, { method: "email-password" }),
      );
      const user_id = asUserId(user.id);
      return { user_id, workspace_id: await makeAdministrator(user_id) };
    },
    hasAccounts: () => store.hasUsers(),
    viewSetup,
    setUp,
    signIn,
    async createAccount(given, visitor) {
      const created = await signUp(checkAccount(given), visitor);
      record(created.user_id, "account.create", `user:${created.user_id}`, visitor);
      return created;
    },
    async createWorkspace(name, owner) {
      // The library wants a name for addresses, which nobody sees.
      const slug = randomToken();
      const made = await ask(({ api }) => api.createOrganization({ body: { name, slug, userId: owner } }));
      return asWorkspaceId(made.id);
    },
    personOf,
    async signOut(session) {
      await ask(({ api }) => api.signOut({ headers: headersOf(null, session) }));
    },
    changePassword,
    listSessions: (user_id) => store.listSessions(user_id),
    async endSession({ user_id }, session_id) {
      if (!(await store.endSession(user_id, session_id))) throw new ApiError("not_found");
      record(user_id, "session.end", `user:${user_id}`, null);
    },
    async signOutEverywhere({ user_id }) {
      await endAll(user_id);
      record(user_id, "session.end_all", `user:${user_id}`, null);
    },
  };
}

/** What the library reads of a request: who it is and where it comes from. */
function headersOf(visitor: Visitor | null, session: Secret | null = null): Headers {
  const headers = new Headers();
  if (session !== null) headers.set("authorization", `Bearer ${session.expose()}`);
  if (visitor !== null) {
    headers.set(ADDRESS_HEADER, visitor.address);
    // A header takes no other characters, and the library stores whatever comes.
    headers.set("user-agent", visitor.user_agent.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 256));
  }
  return headers;
}

function checkAccount({ name, email, password }: NewAccount): NewAccount {
  checkPassword(password);
  return { name: checkName(name), email: checkEmail(email), password };
}

function checkPassword(password: Secret): void {
  const { length } = Array.from(password.expose());
  if (length < PASSWORD_LENGTH.least || length > PASSWORD_LENGTH.most) throw new ApiError("invalid_password");
}

/** The library's refusal as a value, so that it counts as a guess. */
function wrongPassword(error: unknown): null {
  if (error instanceof ApiError && error.code === "sign_in_failed") return null;
  throw error;
}

const GUESSED_WRONG = new Set([
  "INVALID_EMAIL_OR_PASSWORD",
  "INVALID_PASSWORD",
  "INVALID_EMAIL",
  "PASSWORD_TOO_LONG",
  // An account without a password, the demo's, has none that could be right.
  "CREDENTIAL_ACCOUNT_NOT_FOUND",
]);

/** The library's errors become ours, and ours that came through it come out again. */
function translate(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.cause instanceof ApiError) return error.cause;
  const code = "body" in error ? Object(error.body).code : undefined;
  return GUESSED_WRONG.has(code) ? new ApiError("sign_in_failed", { cause: error }) : error;
}

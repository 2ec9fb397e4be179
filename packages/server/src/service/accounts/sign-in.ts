/** Signing in, creating an account, changing a password. */
import { CodedError } from "../../core/errors.ts";
import { asUserId } from "../../core/ids.ts";
import { checkEmail, checkName } from "../../core/names.ts";
import { Secret } from "../../core/secret.ts";
import type { UserId } from "../../core/types.ts";
import type { Rule } from "../access/rate-limits.ts";
import { headersOf, nullIfWrong } from "./call-library.ts";
import { checkPassword } from "./password-rules.ts";
import type { AccountDeps, NewAccount, SessionUser, Visitor } from "./types.ts";

export async function signIn(
  deps: AccountDeps,
  typed_email: string,
  password: Secret,
  visitor: Visitor,
): Promise<Secret> {
  const email = typed_email.normalize("NFC").trim().toLowerCase();
  const body = { email, password: password.expose() };
  const signedIn = await deps.rateLimits.attempt(guessRules(deps, email, visitor), () =>
    deps.callLibrary(({ api }) => api.signInEmail({ body, headers: headersOf(visitor) })).catch(nullIfWrong),
  );
  if (signedIn === null) throw new CodedError("sign_in_failed");
  return new Secret(signedIn.token);
}

/** Limits guesses per account and per network. Counts an unknown account like a known one. */
function guessRules({ limits }: AccountDeps, email: string, { network }: Visitor): readonly Rule[] {
  const rule = { limit: limits.failed_sign_ins, window_ms: limits.failed_sign_ins_window_ms };
  return [
    { key: `sign_in:account:${email}`, ...rule },
    { key: `sign_in:address:${network}`, ...rule },
  ];
}

export async function createAccount(
  deps: AccountDeps,
  account: NewAccount,
  visitor: Visitor,
): Promise<{ user_id: UserId; session: Secret }> {
  const created = await signUp(deps, checkAccount(account), visitor);
  const { user_id } = created;
  const { request_id } = visitor;
  deps.audit.record({ actor: `user:${user_id}`, action: "account.create", target: user_id, request_id });
  return created;
}

/**
 * Returns the account with its name and address normalized.
 *
 * @throws CodedError `invalid_name`, `invalid_email`, `invalid_password`
 */
export function checkAccount({ name, email, password }: NewAccount): NewAccount {
  checkPassword(password);
  return { name: checkName(name), email: checkEmail(email), password };
}

/**
 * Creates a checked account and a session.
 *
 * @throws CodedError `already_exists`
 */
export async function signUp(
  { store, callLibrary }: AccountDeps,
  { name, email, password }: NewAccount,
  visitor: Visitor,
): Promise<{ user_id: UserId; session: Secret }> {
  if ((await store.findUser(email)) !== null) {
    const message = "There is already an account with this email address. Sign in with it.";
    throw new CodedError("already_exists", { message });
  }
  const body = { name, email, password: password.expose() };
  const { token, user } = await callLibrary(({ api }) => api.signUpEmail({ body, headers: headersOf(visitor) }));
  if (token === null) throw new CodedError("internal");
  return { user_id: asUserId(user.id), session: new Secret(token) };
}

/**
 * Changes the password and returns the new session.
 *
 * @throws CodedError `sign_in_failed`, `invalid_password`, `rate_limited`
 */
export async function changePassword(
  deps: AccountDeps,
  { user_id, email }: SessionUser,
  session: Secret,
  current: Secret,
  next: Secret,
  visitor: Visitor,
): Promise<Secret> {
  checkPassword(next);
  const body = { currentPassword: current.expose(), newPassword: next.expose(), revokeOtherSessions: true };
  const headers = headersOf(visitor, session);
  const token = await deps.rateLimits.attempt(guessRules(deps, email, visitor), () =>
    deps.callLibrary(async ({ api }) => (await api.changePassword({ body, headers })).token).catch(nullIfWrong),
  );
  if (token === null) throw new CodedError("sign_in_failed", { message: "The current password is wrong." });
  await deps.cliSessions.endAll(user_id);
  const { request_id } = visitor;
  deps.audit.record({ actor: `user:${user_id}`, action: "account.change_password", target: user_id, request_id });
  return new Secret(token);
}

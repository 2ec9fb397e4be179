/** Browser sessions: opening one without a password, finding its user, ending them. */
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { asUserId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { UserId } from "../../core/types.ts";
import { headersOf } from "./call-library.ts";
import type { AccountDeps, SessionUser, Visitor } from "./types.ts";

/**
 * Opens a session without the password. Only for setup links, which come from the server's own
 * machine.
 */
export async function openSession(
  { callLibrary }: AccountDeps,
  user_id: UserId,
  { address, user_agent }: Visitor,
): Promise<Secret> {
  const { internalAdapter } = await callLibrary(({ $context }) => $context);
  const client = { ipAddress: address, userAgent: user_agent };
  const session = await callLibrary(() => internalAdapter.createSession(user_id, false, client));
  return new Secret(session.token);
}

export async function userOf(
  { store, limits, callLibrary }: AccountDeps,
  session: Secret,
): Promise<SessionUser | null> {
  const found = await callLibrary(({ api }) => api.getSession({ headers: headersOf(null, session) }));
  if (found === null) return null;
  const { user, session: row } = found;
  const user_id = asUserId(user.id);
  // Each use extends the session in the library, so its maximum age is checked here. The library
  // uses the system's clock.
  if (systemClock.now() - row.createdAt.getTime() > limits.session_absolute_ms) {
    await store.endSession(user_id, row.id);
    return null;
  }
  return { user_id, name: user.name, email: user.email, session_id: row.id };
}

export async function signOut({ callLibrary }: AccountDeps, session: Secret): Promise<void> {
  await callLibrary(({ api }) => api.signOut({ headers: headersOf(null, session) }));
}

export async function endSession(
  { store, audit }: AccountDeps,
  { user_id }: SessionUser,
  session_id: string,
): Promise<void> {
  if (!(await store.endSession(user_id, session_id))) throw new CodedError("not_found");
  audit.record({ actor: `user:${user_id}`, action: "session.end", target: user_id });
}

export async function signOutEverywhere(deps: AccountDeps, { user_id }: SessionUser): Promise<void> {
  await endAllSessions(deps, user_id);
  deps.audit.record({ actor: `user:${user_id}`, action: "session.end_all", target: user_id });
}

/** Ends the sessions of browsers and of command lines. */
export async function endAllSessions({ store, cliSessions }: AccountDeps, user_id: UserId): Promise<void> {
  await store.deleteLibraryRows("auth_session", [{ column: "user_id", operator: "=", value: user_id }]);
  await cliSessions.endAll(user_id);
}

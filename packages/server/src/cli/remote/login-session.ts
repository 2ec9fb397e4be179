/**
 * A stored login that stays valid: renews the access token shortly before it expires, and once
 * after a 401.
 *
 * A refresh token works once (RFC 9700 section 4.14.2), and several commands can run at the same
 * time. Each refresh therefore runs under a lock. The next command to get the lock finds the new
 * tokens in the file.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import { tryLock } from "../../files/lock-file.ts";
import type { Wait } from "../terminal/wait.ts";
import { CLIENT_ID } from "./device-login.ts";
import { isRefused } from "./error.ts";
import type { Login, LoginStore } from "./login-store.ts";
import type { Credential, Remote } from "./remote.ts";

/** A command takes some seconds, so a token with less time left is renewed first. */
const RENEW_BEFORE_MS = 60_000;
/** The holder of an older lock is dead. Longer than a request to the token endpoint can take. */
const LOCK_TTL_MS = 30_000;
const POLL_MS = 50;

export interface SessionDeps {
  readonly store: LoginStore;
  /** The server, without a credential. */
  readonly remote: Remote;
  readonly clock: Clock;
  readonly wait: Wait;
}

export function createSession(deps: SessionDeps): Credential {
  return {
    advice: `To sign in again: holdfast login --server ${deps.remote.server_url}.`,
    header: async () => ["authorization", bearerOf(await validLogin(deps))],
    refused: (value) => renewRefused(deps, value),
  };
}

const bearerOf = ({ access_token }: Login): Secret => new Secret(`Bearer ${access_token.expose()}`);

async function validLogin(deps: SessionDeps): Promise<Login> {
  const login = requireLogin(deps);
  return login.expires_at - deps.clock.now() < RENEW_BEFORE_MS ? renew(deps, login) : login;
}

async function renewRefused(deps: SessionDeps, value: Secret): Promise<boolean> {
  const login = requireLogin(deps);
  // Otherwise another command has already renewed it.
  if (bearerOf(login).expose() === value.expose()) await renew(deps, login);
  return true;
}

function requireLogin({ store, remote: { server_url } }: Pick<SessionDeps, "store" | "remote">): Login {
  const login = store.find(server_url);
  if (login !== null) return login;
  const message = `You are not signed in to ${server_url} on this machine. Sign in: holdfast login --server ${server_url}`;
  throw new CodedError("not_signed_in", { message });
}

function renew(deps: SessionDeps, seen: Login): Promise<Login> {
  return withLock(deps.store, seen, deps.clock, deps.wait, async () => {
    const stored = requireLogin(deps);
    return stored.refresh_token.expose() === seen.refresh_token.expose() ? refresh(deps, seen) : stored;
  });
}

async function refresh({ store, remote, clock }: SessionDeps, { refresh_token, email, name }: Login): Promise<Login> {
  const { server_url } = remote;
  const form = { grant_type: "refresh_token", refresh_token: refresh_token.expose(), client_id: CLIENT_ID };
  try {
    const tokens = await remote.call({ method: "POST", path: "/oauth/token", form }, "oauth_tokens");
    const login = {
      access_token: new Secret(tokens.access_token),
      refresh_token: new Secret(tokens.refresh_token),
      expires_at: plus(clock.now(), tokens.expires_in * 1000),
      email,
      name,
    };
    store.save(server_url, login);
    return login;
  } catch (error) {
    // Other errors can be temporary, and the refresh token can still be valid.
    if (!isRefused(error, "invalid_grant")) throw error;
    store.remove(server_url);
    const message = `The login to ${server_url} has expired. To sign in again: holdfast login --server ${server_url}`;
    throw new CodedError("not_signed_in", { message });
  }
}

/**
 * Runs `action` in one process at a time for this refresh token. Waits while another process runs
 * it.
 */
export async function withLock<T>(
  store: LoginStore,
  { refresh_token }: Login,
  clock: Clock,
  wait: Wait,
  action: () => Promise<T>,
): Promise<T> {
  mkdirSync(store.directory, { recursive: true, mode: 0o700 });
  const base = join(store.directory, `refresh-${sha256Hex(refresh_token.expose()).slice(0, 16)}`);
  const isStale = (path: string): boolean => clock.now() - statSync(path).mtimeMs > LOCK_TTL_MS;
  let lock = tryLock(base, isStale);
  while (lock.kind === "busy") {
    await wait(POLL_MS);
    lock = tryLock(base, isStale);
  }
  try {
    return await action();
  } finally {
    lock.release();
  }
}

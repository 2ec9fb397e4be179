/**
 * A stored login that stays valid: the access token is renewed shortly before it ends and once after a 401. Refresh tokens
 * are for one use (RFC 9700 section 4.14.2), and several commands may run at once, so a refresh is made under a lock, and
 * whoever gets the lock second finds the new tokens in the file.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import { tryLock } from "../../files/lock-file.ts";
import { CLIENT_ID } from "./device-login.ts";
import type { Login, LoginStore } from "./login-store.ts";
import { RemoteError } from "./error.ts";
import type { Credential, Remote } from "./remote.ts";
import type { Wait } from "../terminal/wait.ts";

/** Renewed when less than this is left: a command takes some seconds. */
const RENEW_BEFORE_MS = 60_000;
/** A holder that died. Longer than a request to the token endpoint may take with its time-out. */
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
  const { store, remote, clock } = deps;
  const { server_url } = remote;

  return {
    advice: `To sign in again: holdfast login --server ${server_url}.`,
    async header() {
      const login = required(store, server_url);
      const soon = login.expires_at - clock.now() < RENEW_BEFORE_MS;
      const { access_token } = soon ? await renew(deps, login) : login;
      return ["authorization", new Secret(`Bearer ${access_token.expose()}`)];
    },
    async refused(value) {
      const login = required(store, server_url);
      // Another command has renewed it in the meantime.
      if (`Bearer ${login.access_token.expose()}` !== value.expose()) return true;
      await renew(deps, login);
      return true;
    },
  };
}

function required(store: LoginStore, server_url: string): Login {
  const login = store.find(server_url);
  if (login !== null) return login;
  const message = `Nobody is signed in to ${server_url} on this machine. Sign in: holdfast login --server ${server_url}`;
  throw new ApiError("not_signed_in", { message });
}

async function renew({ store, remote, clock, wait }: SessionDeps, seen: Login): Promise<Login> {
  const { server_url } = remote;
  return withLock(store, seen, clock, wait, async () => {
    const now = required(store, server_url);
    if (now.refresh_token.expose() !== seen.refresh_token.expose()) return now;
    const form = { grant_type: "refresh_token", refresh_token: seen.refresh_token.expose(), client_id: CLIENT_ID };
    try {
      const tokens = await remote.call({ method: "POST", path: "/oauth/token", form }, "oauth_tokens");
      const login = {
        access_token: new Secret(tokens.access_token),
        refresh_token: new Secret(tokens.refresh_token),
        expires_at: plus(clock.now(), tokens.expires_in * 1000),
        email: seen.email,
        name: seen.name,
      };
      store.save(server_url, login);
      return login;
    } catch (error) {
      // Anything else may pass, and the refresh token may be good still.
      if (!(error instanceof RemoteError) || error.refusal.code !== "invalid_grant") throw error;
      store.remove(server_url);
      const message = `The login to ${server_url} has ended. To sign in again: holdfast login --server ${server_url}`;
      throw new ApiError("not_signed_in", { message });
    }
  });
}

/** Runs `action` in one process at a time for this refresh token. Waits while another process runs it. */
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

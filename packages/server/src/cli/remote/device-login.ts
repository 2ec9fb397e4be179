/**
 * Signing in without a browser on this machine: the device authorization grant (RFC 8628). The server shows a page on which
 * a signed-in person types the code that is printed here.
 */
import type { Clock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import type { Login } from "./login-store.ts";
import { isRefused } from "./error.ts";
import type { Credential, Remote } from "./remote.ts";
import type { Fields } from "./reply.ts";
import type { Wait } from "../terminal/wait.ts";

export const CLIENT_ID = "holdfast_cli";
const SCOPE = "apps:read apps:write";
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";
/** RFC 8628 section 3.5: from then on, for all further polls. */
const SLOW_DOWN_S = 5;

export interface Prompt {
  readonly user_code: string;
  readonly verification_uri: string;
}

export interface DeviceLoginDeps {
  /** The server, without a credential. */
  readonly remote: Remote;
  readonly clock: Clock;
  readonly wait: Wait;
  /** Tells the person where to go. */
  readonly show: (prompt: Prompt) => void;
}

/** @throws ApiError `login_refused`, `login_expired`; what `Remote.call` throws */
export async function deviceLogin({ remote, clock, wait, show }: DeviceLoginDeps): Promise<Login> {
  const started = await remote.call(
    { method: "POST", path: "/oauth/device/code", json: { client_id: CLIENT_ID, scope: SCOPE } },
    (fields) => ({
      device_code: new Secret(fields.text("device_code")),
      user_code: fields.text("user_code"),
      verification_uri: fields.text("verification_uri"),
      expires_in_s: fields.count("expires_in"),
      interval_s: fields.count("interval"),
    }),
  );
  show({ user_code: printable(started.user_code), verification_uri: printable(started.verification_uri) });
  const tokens = await poll({ remote, clock, wait }, started);
  const { email, name } = await whoIs(remote, tokens.access_token);
  const { access_token, refresh_token } = tokens;
  return { access_token, refresh_token, expires_at: plus(clock.now(), tokens.expires_in_s * 1000), email, name };
}

async function poll(
  { remote, clock, wait }: Omit<DeviceLoginDeps, "show">,
  started: { readonly device_code: Secret; readonly expires_in_s: number; readonly interval_s: number },
): Promise<Tokens> {
  const form = { grant_type: GRANT_TYPE, device_code: started.device_code.expose(), client_id: CLIENT_ID };
  const until_ms = clock.monotonic_ms() + started.expires_in_s * 1000;
  let interval_s = started.interval_s;
  while (clock.monotonic_ms() + interval_s * 1000 < until_ms) {
    await wait(interval_s * 1000);
    try {
      return await remote.call({ method: "POST", path: "/oauth/token", form }, readTokens);
    } catch (error) {
      if (isRefused(error, "slow_down")) interval_s += SLOW_DOWN_S;
      else if (isRefused(error, "access_denied")) throw new ApiError("login_refused");
      else if (isRefused(error, "expired_token")) break;
      // A server that is away for a moment has not said no (RFC 8628 section 3.5).
      else if (!isRefused(error, "authorization_pending") && !isAway(error)) throw error;
    }
  }
  throw new ApiError("login_expired");
}

const isAway = (error: unknown): boolean => error instanceof ApiError && error.code === "server_unreachable";

export interface Tokens {
  readonly access_token: Secret;
  readonly refresh_token: Secret;
  readonly expires_in_s: number;
}

export function readTokens(fields: Fields): Tokens {
  return {
    access_token: new Secret(fields.text("access_token")),
    refresh_token: new Secret(fields.text("refresh_token")),
    expires_in_s: fields.count("expires_in"),
  };
}

export interface Account {
  readonly email: string;
  readonly name: string;
}

export const readAccount = (fields: Fields): Account => ({ email: fields.text("email"), name: fields.text("name") });

async function whoIs(remote: Remote, access_token: Secret): Promise<Account> {
  return remote.withCredential(once(access_token)).call({ method: "GET", path: "/oauth/userinfo" }, readAccount);
}

function once(access_token: Secret): Credential {
  return {
    advice: "To try again: holdfast login.",
    header: () => Promise.resolve(["authorization", new Secret(`Bearer ${access_token.expose()}`)]),
    refused: () => Promise.resolve(false),
  };
}

/** The texts come from a server and go to a terminal: no control characters, so that none can be steered. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "");
}

/**
 * Signing in without a browser on this machine: the device authorization grant (RFC 8628). The
 * server has a page where a signed-in user enters the code that the command prints.
 */
import type { Clock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import type { Wait } from "../terminal/wait.ts";
import { isRefused } from "./error.ts";
import type { Login } from "./login-store.ts";
import type { Credential, Remote } from "./remote.ts";
import type { Reply } from "./reply.ts";

export const CLIENT_ID = "holdfast_cli";
const SCOPE = "apps:read apps:write";
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";
/** RFC 8628 section 3.5: added to the interval of all further polls. */
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
  /** Prints the page's address and the code. */
  readonly show: (prompt: Prompt) => void;
}

/** @throws CodedError `login_refused`, `login_expired`, and the errors of `Remote.call` */
export async function deviceLogin({ remote, clock, wait, show }: DeviceLoginDeps): Promise<Login> {
  const json = { client_id: CLIENT_ID, scope: SCOPE };
  const started = await remote.call({ method: "POST", path: "/oauth/device/code", json }, "device_code");
  show({ user_code: printable(started.user_code), verification_uri: printable(started.verification_uri) });
  const { access_token, refresh_token, expires_in } = await poll({ remote, clock, wait }, started);
  const signedIn = remote.withCredential(bearer(new Secret(access_token)));
  return {
    ...(await signedIn.call({ method: "GET", path: "/oauth/userinfo" }, "account")),
    access_token: new Secret(access_token),
    refresh_token: new Secret(refresh_token),
    expires_at: plus(clock.now(), expires_in * 1000),
  };
}

async function poll(
  { remote, clock, wait }: Omit<DeviceLoginDeps, "show">,
  { device_code, expires_in, interval }: Reply<"device_code">,
): Promise<Reply<"oauth_tokens">> {
  const form = { grant_type: GRANT_TYPE, device_code, client_id: CLIENT_ID };
  const until_ms = clock.monotonic_ms() + expires_in * 1000;
  let interval_s = interval;
  while (clock.monotonic_ms() + interval_s * 1000 < until_ms) {
    await wait(interval_s * 1000);
    try {
      return await remote.call({ method: "POST", path: "/oauth/token", form }, "oauth_tokens");
    } catch (error) {
      if (isRefused(error, "slow_down")) interval_s += SLOW_DOWN_S;
      else if (isRefused(error, "access_denied")) throw new CodedError("login_refused");
      else if (isRefused(error, "expired_token")) break;
      // An unreachable server has not refused (RFC 8628 section 3.5).
      else if (!isRefused(error, "authorization_pending") && !isUnreachable(error)) throw error;
    }
  }
  throw new CodedError("login_expired");
}

const isUnreachable = (error: unknown): boolean => error instanceof CodedError && error.code === "server_unreachable";

function bearer(access_token: Secret): Credential {
  return {
    advice: "To try again: holdfast login.",
    header: () => Promise.resolve(["authorization", new Secret(`Bearer ${access_token.expose()}`)]),
    refused: () => Promise.resolve(false),
  };
}

/** Removes control characters: the text comes from a server, and must not control the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "");
}

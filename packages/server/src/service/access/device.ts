/**
 * The device login of command lines (RFC 8628). The program requests a pair of codes. A signed-in
 * user types the short one on our page and approves. The program exchanges the long one for a
 * session, once. Owns the codes and the limits on guessing them. Must not know pages.
 *
 * The chance of guessing a user code. It has 8 letters of 20: 20^8 = 2.56e10 = 2^34.6 codes. In the
 * ten minutes of a code, all users together can try 100 wrong ones a minute, 1,000 in all. With 100
 * codes alive at once, the chance of hitting one is 1,000 × 100 / 20^8 = 3.9e-6, about 2^-18.
 * (Windows are fixed, and ten minutes can touch eleven of them: 4.3e-6.) One session's 5 tries at
 * one code are 5 / 20^8 = 2^-32. A hit only lets the guesser sign in another user's command line as
 * the guesser.
 *
 * The long code is 256 random bits and stored as SHA-256. A plain hash of the short one could be
 * brute-forced. So it is stored as an HMAC, whose key is not in the database.
 *
 * Errors: GrantError for the command line. CodedError `user_code_invalid`, `rate_limited` for the
 * user.
 */
import type { Limits } from "../../core/limits.ts";
import { CodedError } from "../../core/errors.ts";
import { sha256Hex, type Secret } from "../../core/secret.ts";
import type { DeviceCodeRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import type { Ground } from "../ground.ts";
import type { CliSessions } from "./cli-sessions.ts";
import type { IssuedTokens } from "./cli-tokens.ts";
import { beginLogin, type DeviceCode, type LoginRequest } from "./device-begin.ts";
import { clientName } from "./device-clients.ts";
import { pollLogin } from "./device-poll.ts";
import type { RateLimits, Rule } from "./rate-limits.ts";
import { hashLetters, parseLetters } from "./user-codes.ts";

export type { DeviceCode };

const MINUTE_MS = 60_000;

/** The login that the page asks the user to approve. */
export interface PendingLogin {
  readonly client_name: string;
  readonly address: string;
  readonly created_at: number;
}

/** The signed-in user who types codes. */
export interface Approver {
  readonly user_id: string;
  readonly session: Secret;
  /** The key of the rate limits: an IPv4 address or an IPv6 /64 network. */
  readonly network: string;
}

export interface Device {
  /**
   * @throws GrantError, and CodedError `rate_limited` if too many logins of a network are pending
   */
  begin(request: LoginRequest): Promise<DeviceCode>;
  /**
   * @throws GrantError `authorization_pending`, `slow_down`, `expired_token`, `access_denied`,
   * `invalid_grant`
   */
  poll(device_code: string, client_id: string): Promise<IssuedTokens>;
  /** @throws CodedError `user_code_invalid`, `rate_limited` */
  view(user_code: string, approver: Approver): Promise<PendingLogin>;
  /** @throws CodedError `user_code_invalid`, `rate_limited` */
  decide(
    user_code: string,
    approver: Approver,
    state: "approved" | "denied",
    request_id: string,
  ): Promise<PendingLogin>;
}

export interface DeviceDeps extends Pick<Ground, "store" | "keyring" | "urls" | "clock" | "limits"> {
  readonly cliSessions: CliSessions;
  readonly rateLimits: RateLimits;
  readonly audit: Audit;
}

export function createDevice(deps: DeviceDeps): Device {
  return {
    begin: (request) => beginLogin(deps, request),
    poll: (device_code, client_id) => pollLogin(deps, device_code, client_id),
    view: (user_code, approver) => viewLogin(deps, user_code, approver),
    decide: (user_code, approver, state, request_id) => decideLogin(deps, user_code, approver, state, request_id),
  };
}

async function viewLogin(deps: DeviceDeps, user_code: string, approver: Approver): Promise<PendingLogin> {
  return toPendingLogin(await tryCode(deps, user_code, approver, (hashes) => deps.store.findDeviceCode(hashes)));
}

async function decideLogin(
  deps: DeviceDeps,
  user_code: string,
  approver: Approver,
  state: "approved" | "denied",
  request_id: string,
): Promise<PendingLogin> {
  const { store, audit } = deps;
  const { user_id } = approver;
  const decision = { state, user_id };
  const code = await tryCode(deps, user_code, approver, (hashes) => store.decideDeviceCode(hashes, decision));
  const action = `device_login.${state}`;
  audit.record({ actor: `user:${user_id}`, action, target: code.client_id, request_id });
  return toPendingLogin(code);
}

/** Tries a typed code. Counts a wrong one. Text that cannot be a code is not counted. */
async function tryCode(
  { keyring, rateLimits, limits }: DeviceDeps,
  typed: string,
  approver: Approver,
  action: (hashes: readonly string[]) => Promise<DeviceCodeRow | null>,
): Promise<DeviceCodeRow> {
  const letters = parseLetters(typed);
  if (letters === null) throw new CodedError("user_code_invalid");
  const hashes = hashLetters(keyring, letters);
  const code = await rateLimits.attempt(guessRules(approver, limits), () => action(hashes));
  if (code === null) throw new CodedError("user_code_invalid");
  return code;
}

/** Returns the narrowest rule first: a user refused there must not use up the shared limits. */
function guessRules({ session, network }: Approver, limits: Limits): readonly Rule[] {
  const window_ms = limits.device_wrong_codes_window_ms;
  return [
    { key: `device:session:${sha256Hex(session.expose())}`, limit: limits.device_wrong_codes_per_session, window_ms },
    { key: `device:address:${network}`, limit: limits.device_wrong_codes_per_address, window_ms },
    { key: "device:all", limit: limits.device_wrong_codes_per_minute, window_ms: MINUTE_MS },
  ];
}

function toPendingLogin({ client_id, address, created_at }: DeviceCodeRow): PendingLogin {
  return { client_name: clientName(client_id), address, created_at };
}

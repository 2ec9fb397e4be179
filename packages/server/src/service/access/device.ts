/**
 * Letting a command line in (RFC 8628): it asks for a pair of codes, a person who is signed in types the short one on our page
 * and agrees, and the long one is then exchanged for a session, once.
 *
 * What guessing is worth. A user code is 8 letters of 20: 20^8 = 2.56e10 = 2^34.6 codes. In the ten minutes that a code lives,
 * everybody together may try 100 wrong ones a minute, 1,000 in all. With 100 codes alive at once one of them is hit with
 * 1,000 × 100 / 20^8 = 3.9e-6, about 2^-18. (Windows are fixed, and ten minutes can touch eleven of them: 4.3e-6.) One
 * session's 5 tries at one code are 5 / 20^8 = 2^-32. And a hit only lets the guesser sign in somebody else's command line
 * as themselves.
 *
 * The long code is 256 random bits and stored as SHA-256. The short one could be found from a plain hash, so it is stored as
 * HMAC under a key that the database does not have.
 *
 * Errors: GrantError in the protocol's words to the command line; to the person ApiError `user_code_invalid`, `rate_limited`.
 */
import { createHmac, randomInt } from "node:crypto";
import type { Limits } from "../../core/limits.ts";
import { ApiError } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import type { PollRules } from "../../store/queries/device.ts";
import type { DeviceCodeRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import { GrantError, newPair, sessionLife, type CliSessions, type IssuedTokens } from "./cli-sessions.ts";
import { secondsUntil, type RateLimits, type Rule } from "./rate-limits.ts";
import type { Ground } from "../ground.ts";

/** RFC 8628 §6.1: no vowels, so that no words come up, and no letter that looks like a digit. */
export const USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
export const USER_CODE_LENGTH = 8;
const USER_CODE_PATTERN = new RegExp(`^[${USER_CODE_LETTERS}]{${USER_CODE_LENGTH}}$`);
const DEVICE_CODE_PATTERN = /^[A-Za-z0-9_-]{43}$/;
const CLI_SCOPES = ["apps:read", "apps:write", "sandbox:write"];
/** RFC 6749 §3.3. */
const SCOPE_PATTERN = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const SCOPE_LENGTH = 1_000;
const SLOW_DOWN_S = 5;
const JITTER_MS = 1_000;
const MINUTE_MS = 60_000;

/** The command lines that may ask. Public clients: their ids are known to everybody and prove nothing (RFC 8628 §5.6). */
const CLIENTS: Readonly<Record<string, string>> = {
  base44_cli: "Base44 command line",
  holdfast_cli: "Holdfast command line",
};

/** RFC 8628 §3.2. */
export interface DeviceCode {
  readonly device_code: Secret;
  /** `XXXX-XXXX`, for people. */
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in_s: number;
  readonly interval_s: number;
}

/** What the person is asked about. */
export interface PendingLogin {
  readonly client_name: string;
  readonly address: string;
  readonly created_at: number;
}

/** Whoever types codes. */
export interface Guesser {
  readonly user_id: string;
  readonly session: Secret;
  /** What counts as one address. */
  readonly network: string;
}

export interface Device {
  /** @throws GrantError; ApiError `rate_limited` when too many of one network wait */
  begin(asked: {
    readonly client_id: string;
    readonly scope: string | null;
    readonly address: string;
    readonly network: string;
  }): Promise<DeviceCode>;
  /** @throws GrantError `authorization_pending`, `slow_down`, `expired_token`, `access_denied`, `invalid_grant` */
  poll(device_code: string, client_id: string): Promise<IssuedTokens>;
  /** @throws ApiError `user_code_invalid`, `rate_limited` */
  look(user_code: string, guesser: Guesser): Promise<PendingLogin>;
  /** @throws ApiError `user_code_invalid`, `rate_limited` */
  decide(user_code: string, guesser: Guesser, state: "approved" | "denied", request_id: string): Promise<PendingLogin>;
}

export interface DeviceDeps extends Pick<Ground, "store" | "keyring" | "urls" | "clock" | "limits"> {
  readonly cliSessions: CliSessions;
  readonly rateLimits: RateLimits;
  readonly audit: Audit;
}

export function createDevice(deps: DeviceDeps): Device {
  const { store, keyring, cliSessions: sessions, rateLimits, audit, urls, clock, limits } = deps;
  const rules: PollRules = { ...sessionLife(limits), slow_down_s: SLOW_DOWN_S, jitter_ms: JITTER_MS };

  /** By each master key, current first: a code may be older than a rotation. */
  function hashesOf(letters: string): readonly [string, ...string[]] {
    const [current = "", ...older] = keyring
      .deriveKeys("user codes")
      .map((key) => createHmac("sha256", key).update(letters).digest("hex"));
    return [current, ...older];
  }

  /** One try at a code, counted when it was wrong. What cannot be a code is no try. */
  async function attempt(
    typed: string,
    guesser: Guesser,
    action: (hashes: readonly string[]) => Promise<DeviceCodeRow | null>,
  ): Promise<DeviceCodeRow> {
    const letters = lettersOf(typed);
    if (letters === null) throw new ApiError("user_code_invalid");
    const code = await rateLimits.attempt(guessRules(guesser, limits), () => action(hashesOf(letters)));
    if (code === null) throw new ApiError("user_code_invalid");
    return code;
  }

  return {
    async begin({ client_id, scope, address, network }) {
      requireClient(client_id);
      const granted = grantedScope(scope);
      const device_code = randomToken();
      for (;;) {
        const letters = newLetters();
        const code = {
          device_hash: sha256Hex(device_code),
          user_code_hash: hashesOf(letters)[0],
          client_id,
          scope: granted,
          address,
          network,
          expires_at: plus(clock.now(), limits.device_code_ttl_ms),
          interval_s: limits.device_poll_interval_s,
        };
        const created = await store.createDeviceCode(code, limits.device_codes_per_address);
        if (created.kind === "too_many")
          throw new ApiError("rate_limited", {
            message: `${limits.device_codes_per_address} logins of this address wait already. Finish one of them, or wait.`,
            retry_after_s: secondsUntil(created.until, clock.now()),
          });
        if (created.kind === "taken") continue;
        const user_code = shown(letters);
        return {
          device_code: new Secret(device_code),
          user_code,
          verification_uri: `${urls.public_url}/device`,
          verification_uri_complete: `${urls.public_url}/device?user_code=${user_code}`,
          expires_in_s: Math.floor(limits.device_code_ttl_ms / 1_000),
          interval_s: limits.device_poll_interval_s,
        };
      }
    },

    async poll(device_code, client_id) {
      requireClient(client_id);
      const arrived_at = clock.now();
      if (!DEVICE_CODE_PATTERN.test(device_code)) throw new GrantError("invalid_grant", NOT_GRANTED.invalid_grant);
      const { pair, tokens } = newPair(limits);
      const poll = { device_hash: sha256Hex(device_code), client_id, arrived_at, session_id: newId("ses"), pair };
      const redeemed = await store.redeemDeviceCode(poll, rules);
      if (redeemed.kind === "issued") {
        const { id, user_id, scope } = redeemed.session;
        audit.record({
          app_id: "",
          actor: `user:${user_id}`,
          action: "cli_session.create",
          target: id,
          request_id: null,
        });
        return { ...tokens, scope: scope.join(" ") };
      }
      if (redeemed.kind === "invalid_grant" && redeemed.ended !== null) {
        sessions.clear();
        const { id, user_id } = redeemed.ended;
        audit.record({
          app_id: "",
          actor: `user:${user_id}`,
          action: "cli_session.device_code_reused",
          target: id,
          request_id: null,
        });
      }
      throw new GrantError(redeemed.kind, NOT_GRANTED[redeemed.kind]);
    },

    look: async (user_code, guesser) =>
      pendingLogin(await attempt(user_code, guesser, (hashes) => store.findDeviceCode(hashes))),

    async decide(user_code, guesser, state, request_id) {
      const { user_id } = guesser;
      const code = await attempt(user_code, guesser, (hashes) => store.decideDeviceCode(hashes, { state, user_id }));
      audit.record({
        app_id: "",
        actor: `user:${user_id}`,
        action: `device_login.${state}`,
        target: code.client_id,
        request_id,
      });
      return pendingLogin(code);
    },
  };
}

const NOT_GRANTED = {
  authorization_pending: "Nobody has approved this login yet.",
  slow_down: "This was too soon. Wait five seconds longer between two requests.",
  access_denied: "This login was denied on the page.",
  expired_token: "Nobody approved this login in time. Start it again.",
  invalid_grant: "This device code is unknown, or was used already. Start the login again.",
} as const;

function requireClient(client_id: string): void {
  if (!Object.hasOwn(CLIENTS, client_id))
    throw new GrantError(
      "invalid_client",
      `This client_id is not known. Known are ${Object.keys(CLIENTS).join(", ")}.`,
    );
}

/** What is known of it: newer clients may ask for more than there is (RFC 6749 §3.3 lets us grant less). */
function grantedScope(scope: string | null): readonly string[] {
  if (scope === null || scope === "") return CLI_SCOPES;
  const granted =
    SCOPE_PATTERN.test(scope) && scope.length <= SCOPE_LENGTH
      ? CLI_SCOPES.filter((known) => scope.split(" ").includes(known))
      : [];
  if (granted.length === 0)
    throw new GrantError("invalid_scope", `None of these scopes is known. Known are ${CLI_SCOPES.join(", ")}.`);
  return granted;
}

function newLetters(): string {
  return Array.from({ length: USER_CODE_LENGTH }, () => USER_CODE_LETTERS[randomInt(USER_CODE_LETTERS.length)]).join(
    "",
  );
}

const shown = (letters: string): string => `${letters.slice(0, 4)}-${letters.slice(4)}`;

/** RFC 8628 §6.1: lower case, blanks and missing or other dashes are the same code. */
function lettersOf(typed: string): string | null {
  const letters = typed
    .slice(0, 64)
    .replaceAll(/[\s\p{Pd}]/gu, "")
    .toUpperCase();
  return USER_CODE_PATTERN.test(letters) ? letters : null;
}

/** The narrowest first, so that whoever is stopped there does not use up what all share. */
function guessRules({ session, network }: Guesser, limits: Limits): readonly Rule[] {
  const window_ms = limits.device_wrong_codes_window_ms;
  return [
    { key: `device:session:${sha256Hex(session.expose())}`, limit: limits.device_wrong_codes_per_session, window_ms },
    { key: `device:address:${network}`, limit: limits.device_wrong_codes_per_address, window_ms },
    { key: "device:all", limit: limits.device_wrong_codes_per_minute, window_ms: MINUTE_MS },
  ];
}

function pendingLogin({ client_id, address, created_at }: DeviceCodeRow): PendingLogin {
  return { client_name: CLIENTS[client_id] ?? client_id, address, created_at };
}

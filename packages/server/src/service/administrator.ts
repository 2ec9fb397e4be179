/**
 * The administrator: signs in by a one-time setup link, is remembered by a session. Secrets are stored as SHA-256 only, so a
 * copy of the database lets nobody in.
 */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { randomToken } from "../core/ids.ts";
import { Secret, sha256Hex } from "../core/secret.ts";
import { plus } from "../core/types.ts";
import type { Store } from "../store/store.ts";
import type { Urls } from "./urls.ts";

export const ADMINISTRATOR = "administrator";
/** A session's last use is written at most this often: one write a minute, not one a request. */
const TOUCH_EVERY_MS = 60_000;
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{43}$/;

export interface Administrator {
  /** A fresh link; earlier ones stay good until they are used or over. */
  createSetupLink(): Promise<string>;
  /** @throws ApiError `setup_link_invalid` */
  checkSetupLink(token: string): Promise<void>;
  /** Uses the link up. The returned secret goes into the session cookie. */
  signIn(token: string): Promise<Secret>;
  /** Who a session cookie belongs to, or null. */
  principalOf(session: Secret): Promise<string | null>;
  signOut(session: Secret): Promise<void>;
}

export function createAdministrator({
  store,
  urls,
  clock,
  limits,
}: {
  store: Store;
  urls: Urls;
  clock: Clock;
  limits: Limits;
}): Administrator {
  return {
    async createSetupLink() {
      const token = randomToken();
      await store.createSetupLink(sha256Hex(token), plus(clock.now(), limits.setup_link_ttl_ms));
      return urls.setup(token);
    },
    async checkSetupLink(token) {
      if (!TOKEN_PATTERN.test(token) || !(await store.isSetupLinkOpen(sha256Hex(token))))
        throw new ApiError("setup_link_invalid");
    },
    async signIn(token) {
      const session = randomToken();
      const used =
        TOKEN_PATTERN.test(token) &&
        (await store.useSetupLink(sha256Hex(token), { token_hash: sha256Hex(session), principal: ADMINISTRATOR }));
      if (!used) throw new ApiError("setup_link_invalid");
      return new Secret(session);
    },
    async principalOf(session) {
      if (!TOKEN_PATTERN.test(session.expose())) return null;
      const token_hash = sha256Hex(session.expose());
      const found = await store.getSession(token_hash);
      const now = clock.now();
      if (
        found === null ||
        now - found.last_seen_at > limits.session_idle_ms ||
        now - found.created_at > limits.session_absolute_ms
      )
        return null;
      if (now - found.last_seen_at > TOUCH_EVERY_MS) await store.touchSession(token_hash);
      return found.principal;
    },
    signOut: (session) => store.deleteSession(sha256Hex(session.expose())),
  };
}

/** The parameters, results and dependencies of account verbs. Types only. */
import type { Secret } from "../../core/secret.ts";
import type { UserId } from "../../core/types.ts";
import type { CliSessions } from "../access/cli-sessions.ts";
import type { Credentials } from "../access/credentials.ts";
import type { RateLimits } from "../access/rate-limits.ts";
import type { Audit } from "../audit.ts";
import type { Ground } from "../ground.ts";
import type { CallLibrary } from "./call-library.ts";

/** The user of a browser session. */
export interface SessionUser {
  readonly user_id: UserId;
  readonly name: string;
  readonly email: string;
  readonly session_id: string;
}

/** The browser that signs in. Stored with its session, and counted by the rate limits. */
export interface Visitor {
  readonly address: string;
  /** The key of the rate limits: an IPv4 address or an IPv6 /64 network. */
  readonly network: string;
  readonly user_agent: string;
  readonly request_id: string | null;
}

export interface NewAccount {
  readonly name: string;
  readonly email: string;
  readonly password: Secret;
}

export interface AccountsDeps extends Pick<Ground, "store" | "keyring" | "urls" | "clock" | "limits" | "default_plan"> {
  readonly rateLimits: RateLimits;
  readonly cliSessions: Pick<CliSessions, "endAll">;
  readonly audit: Audit;
  readonly credentials: Pick<Credentials, "clear">;
}

/** The dependencies of each verb in this room. */
export interface AccountDeps extends AccountsDeps {
  readonly callLibrary: CallLibrary;
}

/**
 * The tables of users: accounts, sign-in sessions, memberships, invitations, and CLI logins.
 *
 * Tokens and codes are stored as hashes, so that a copy of the database is of no use to sign in.
 */
import type { Role } from "../core/roles.ts";
import type { Instant, UserId, WorkspaceId } from "../core/types.ts";

/** `auth_*` are tables of the account library. It owns times, passwords and memberships. */
export interface AuthUserTable {
  id: UserId;
  name: string;
  /** In lower case. */
  email: string;
  email_verified: number;
  created_at: Instant;
  updated_at: Instant;
}

export interface AuthSessionTable {
  id: string;
  user_id: UserId;
  /** SHA-256. */
  token_hash: string;
  ip_address: string | null;
  user_agent: string | null;
  created_at: Instant;
  /** The last use, with a precision of one minute. */
  updated_at: Instant;
  expires_at: Instant;
}

export interface AuthAccountTable {
  id: string;
  user_id: UserId;
  account_id: string;
  provider_id: string;
  /** `salt:scrypt`, in the library's format. */
  password: string | null;
  created_at: Instant;
  updated_at: Instant;
}

export interface AuthMemberTable {
  id: string;
  workspace_id: WorkspaceId;
  user_id: UserId;
  role: Role;
  created_at: Instant;
}

export interface InvitationsTable {
  id: string;
  workspace_id: WorkspaceId;
  token_hash: string;
  email: string;
  role: Role;
  invited_by: string;
  created_at: Instant;
  expires_at: Instant;
  used_at: Instant | null;
}

/** One-time sign-in links, looked up by the SHA-256 of the secret. */
export interface SetupLinksTable {
  token_hash: string;
  /** The account to sign in. Null: asks for the account, and creates it if there is none. */
  user_id: UserId | null;
  created_at: Instant;
  expires_at: Instant;
  used_at: Instant | null;
}

/**
 * A login requested by a CLI (RFC 8628). `device_hash` is a SHA-256. `user_code_hash` is an HMAC,
 * since user codes are short.
 */
export interface DeviceCodesTable {
  device_hash: string;
  user_code_hash: string;
  client_id: string;
  /** Separated by spaces, as in a token response. */
  scope: string;
  address: string;
  /** The part of the address by which rate limits count. */
  network: string;
  created_at: Instant;
  expires_at: Instant;
  /** Grows by 5 with each poll that came too early. */
  interval_s: number;
  polled_at: Instant | null;
  state: "pending" | "approved" | "denied" | "used";
  user_id: string | null;
  session_id: string | null;
  used_at: Instant | null;
}

/** A CLI that a user signed in. Deleted when it ends. */
export interface CliSessionsTable {
  id: string;
  user_id: string;
  client_id: string;
  scope: string;
  address: string;
  created_at: Instant;
  first_used_at: Instant | null;
  last_used_at: Instant;
}

/** Looked up by the SHA-256 of the token. */
export interface CliTokensTable {
  hash: string;
  session_id: string;
  kind: "access" | "refresh";
  created_at: Instant;
  expires_at: Instant;
  /** When a refresh token was exchanged. The row stays, so that a second use is detected. */
  rotated_at: Instant | null;
}

/** The tables of app users as Kysely types. See tables.ts. */
import type { AppRole } from "../core/roles.ts";
import type { AppId, Instant } from "../core/types.ts";

/**
 * How an issuer's tokens are verified. `oidc`: keys found by discovery. `jwks`: keys at a URL.
 * `secret`: a shared secret. `verify`: a request to a URL.
 */
export type IssuerKind = "oidc" | "jwks" | "secret" | "verify";

/** An issuer of tokens for the users of an app. */
export interface AppIssuersTable {
  id: string;
  app_id: AppId;
  /** The `iss` of its tokens, or the issuer's name if they are opaque. Unique in the app. */
  issuer: string;
  kind: IssuerKind;
  /** Of the key set or of verification, as `kind` says. */
  url: string | null;
  /** JSON array: the `aud` values that are this app. */
  audiences: string;
  sealed_secret: Uint8Array | null;
  created_at: Instant;
  updated_at: Instant;
}

/** A user of one app, as one issuer knows them. Email addresses identify no user. */
export interface AppUsersTable {
  id: string;
  app_id: AppId;
  /** The id of an issuer of the app, or `holdfast` for a builder's own token. */
  issuer_id: string;
  subject: string;
  email: string | null;
  full_name: string | null;
  /** Set by the app's builders only. Unused for a builder, whose membership decides. */
  role: AppRole;
  created_at: Instant;
  last_seen_at: Instant;
}

/** The shapes of this room. Types only. */
import type { Secret } from "../../core/secret.ts";
import type { AppRole } from "../../core/roles.ts";
import type { AppId } from "../../core/types.ts";
import type { HttpClient } from "../../net/outbound.ts";
import type { AppIssuerRow } from "../../store/tables.ts";
import type { Ground } from "../ground.ts";

/** An issuer with its secret opened. */
export interface OpenIssuer extends Omit<AppIssuerRow, "sealed_secret"> {
  readonly secret: Secret | null;
}

/** A user as described by a verified token. */
export interface Identity {
  /** Stable at the issuer. */
  readonly subject: string;
  readonly email: string | null;
  readonly full_name: string | null;
}

/** A user of one app, as stored. `id` is the app's own: an email address identifies no user. */
export interface StoredUser extends Identity {
  readonly id: string;
  readonly app_id: AppId;
  readonly issuer_id: string;
  readonly role: AppRole;
  readonly created_at: number;
  readonly last_seen_at: number;
}

/**
 * The user that a function sees as its caller. The stored role, or `admin` for a builder who is
 * allowed to edit the app.
 */
export type AppUser = StoredUser;

/** Sends requests to issuers: to global addresses only. */
export type IssuerDeps = Pick<Ground, "clock" | "limits" | "log"> & { readonly httpClient: HttpClient };

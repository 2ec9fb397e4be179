/**
 * What commands do with an app's connectors: the same calls over HTTP (remote-api.ts) and on the data of this machine
 * (local-api.ts). Values have the names of the wire.
 */
import { ApiError } from "../../core/errors.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import { RemoteError } from "../remote/error.ts";

export interface ListedConnector {
  readonly integration_type: string;
  readonly status: string;
  /** As declared. An empty list stands for the catalog's defaults. */
  readonly scopes: readonly string[];
  readonly missing_scopes: readonly string[];
  readonly account_label: string | null;
  readonly user_email: string | null;
  readonly reason: string | null;
}

export interface AvailableService {
  readonly integration_type: string;
  readonly display_name: string;
  readonly description: string;
}

export interface Declaration {
  readonly scopes: readonly string[];
  /** Null keeps the settings of the connection. */
  readonly config: ConnectionConfig | null;
  /** Requires a new consent, even in place of another builder's account. The scopes are then added, not replaced. */
  readonly force_reconnect?: boolean;
}

/** `redirect_url` and `connection_id` are null unless a consent is needed. `connection_id` names that consent. */
export interface Declared {
  readonly redirect_url: string | null;
  readonly connection_id: string | null;
  readonly already_authorized: boolean;
}

export type ConsentStatus = "ACTIVE" | "PENDING" | "FAILED";

export interface ConnectorsApi {
  available(): Promise<readonly AvailableService[]>;
  list(): Promise<readonly ListedConnector[]>;
  /** Replaces the declared scopes. */
  declare(integration_type: string, declaration: Declaration): Promise<Declared>;
  status(integration_type: string, connection_id: string): Promise<ConsentStatus>;
  disconnect(integration_type: string): Promise<void>;
  remove(integration_type: string): Promise<void>;
}

/** Returns the error for a declaration that the contract refuses in a reply with status 200. */
export function declined(code: string, message: string | null, other_user_email: string | null): Error {
  const holder = other_user_email === null ? "" : ` It is ${other_user_email}.`;
  if (code === "different_user") return new ApiError(code, message === null ? {} : { message: `${message}${holder}` });
  return new RemoteError({
    status: 400,
    code,
    message: message ?? `The server answered ${code}.`,
    who_must_act: null,
    retryable: false,
    errors: [],
    reconnect_url: null,
    request_id: null,
  });
}

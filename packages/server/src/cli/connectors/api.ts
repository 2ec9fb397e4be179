/**
 * The calls of commands on an app's connectors: the same over HTTP (remote-api.ts) and on the data
 * of this machine (local-api.ts). Values have the names of the wire.
 */
import { CodedError } from "../../core/errors.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import { RemoteError } from "../remote/error.ts";
import type { Reply } from "../remote/reply.ts";

/** `scopes` are as declared. An empty list stands for the catalog's defaults. */
export type ListedConnector = Omit<Reply<"connectors">["integrations"][number], "user_email"> & {
  readonly user_email: string | null;
};

export type AvailableService = Reply<"available">["integrations"][number];

export interface Declaration {
  readonly scopes: readonly string[];
  /** Null keeps the settings of the connection. */
  readonly config: ConnectionConfig | null;
  /**
   * Requires a new consent, even in place of another builder's account. The scopes are then added,
   * not replaced.
   */
  readonly force_reconnect?: boolean;
}

/**
 * `redirect_url` and `connection_id` are null unless a consent is needed. `connection_id` names
 * that consent.
 */
export type Declared = Pick<Reply<"initiated">, "redirect_url" | "connection_id" | "already_authorized">;

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
export function declined(code: string, message: string | null): Error {
  if (code === "different_user") return new CodedError(code, message === null ? {} : { message });
  return new RemoteError({
    status: 400,
    code,
    message: message ?? `The server refused: ${code}.`,
    who_must_act: null,
    retryable: false,
    errors: [],
    reconnect_url: null,
    request_id: null,
  });
}

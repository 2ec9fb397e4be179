/**
 * The public types of the SDK: arguments and results of its calls. No behavior, and no wire fields:
 * `connectors.ts` and `call-api.ts` map them.
 */

/**
 * The integration types that an app has declared, as keys. Empty until the app augments it, by hand
 * or with `holdfast types generate`. From then on, calls accept only its keys as integration types.
 *
 * ```ts
 * declare module "@holdfast/sdk" {
 *   interface ConnectorIntegrationTypeRegistry { slack: true; googlecalendar: true }
 * }
 * ```
 */
export interface ConnectorIntegrationTypeRegistry {}

/**
 * Id of a service, such as `slack`: any string, or only the keys of
 * {@link ConnectorIntegrationTypeRegistry} if it has any.
 */
export type ConnectorIntegrationType = keyof ConnectorIntegrationTypeRegistry extends never
  ? string
  : Extract<keyof ConnectorIntegrationTypeRegistry, string>;

/** The values with which a function calls a vendor's API itself. */
export interface ConnectorConnectionResponse {
  /**
   * Valid when the server replies. The server refreshes it if needed. Send it as
   * `Authorization: Bearer …` (RFC 6750 §2.1). Do not store it: call again for the next request.
   */
  readonly accessToken: string;
  /**
   * Named settings of the connection, such as a site's `subdomain`. `null` if the service has none.
   */
  readonly connectionConfig: Readonly<Record<string, string>> | null;
}

/** Options of every call to the server. */
export interface CallOptions {
  /**
   * Aborts the call, which then rejects with the signal's reason. Without it a call waits as long
   * as `fetch` does.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Options of the calls that return an access token. */
export interface ConnectionOptions extends CallOptions {
  /**
   * An access token that the vendor's API has just rejected with 401. The server then returns
   * another one, and refreshes if needed. Only the token's SHA-256 is sent.
   */
  readonly rejected?: string | undefined;
  /**
   * Whole seconds, 1 to 86,400: the minimum remaining lifetime of the token, for work that outlasts
   * one request. The server refreshes if needed. The error code is `min_valid_unavailable` if no
   * token of the service lives that long.
   */
  readonly minValidSeconds?: number | undefined;
}

/** Methods that {@link ConnectorsModule.callApi} forwards. */
export type ConnectorApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";

/** A request to a vendor's API. The server adds the access token and sends it. */
export interface ConnectorApiRequest {
  /** Upper case. Default `GET`. */
  readonly method?: ConnectorApiMethod | undefined;
  /** The name (not the address) of one of the connector's API hosts. Default: its first host. */
  readonly host?: string | null | undefined;
  /** Below that host's API root. Starts with one `/`. Can include a query. */
  readonly path: string;
  /** Added to the query in `path`. */
  readonly query?: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>> | undefined;
  /** Only headers that the connector allows are forwarded. Others are dropped. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Any JSON value. Not forwarded with `GET` and `HEAD`. */
  readonly body?: unknown;
}

/** How far a forwarded request got. Only `not_sent` proves that the vendor did not process it. */
export type ConnectorApiResponsePhase = "not_sent" | "responded" | "timed_out" | "sent_unconfirmed";

/**
 * The outcome of a forwarded request. A vendor's 4xx or 5xx is a result (`success: false`, with its
 * status and body), not an exception. `T` is the caller's claim about the vendor's body. Nothing
 * checks it.
 */
export interface ConnectorApiResponse<T = unknown> {
  /** True only for a 2xx of the vendor. */
  readonly success: boolean;
  readonly phase: ConnectorApiResponsePhase;
  /** The vendor's HTTP status. `null` if the vendor did not respond. */
  readonly status: number | null;
  /**
   * The vendor's body, or details of the failure if the vendor did not respond. `null` if
   * `dataBase64` is set.
   */
  readonly data: T | null;
  /** A binary body (image, PDF) in base64, of media type `contentType`. */
  readonly dataBase64: string | null;
  readonly contentType: string | null;
  /** The vendor's headers that the connector exposes, such as rate-limit counters. */
  readonly headers: Readonly<Record<string, string>>;
  /** Credits charged for this call, possibly fractional. 0 where calls cost nothing. */
  readonly creditsCharged: number;
}

/**
 * Connections for an app's backend, with its service token.
 *
 * Every method rejects with a `TypeError` for a bad argument, before any request. It rejects with a
 * `HoldfastError` if the server refuses, cannot be reached or sends an unexpected reply. If
 * aborted, it rejects with the signal's reason.
 */
export interface ConnectorsModule {
  /**
   * The app's shared connection to a service. Each call goes to the server. Nothing is cached here.
   */
  getConnection(
    integrationType: ConnectorIntegrationType,
    options?: ConnectionOptions,
  ): Promise<ConnectorConnectionResponse>;
  /**
   * @deprecated Use {@link ConnectorsModule.getConnection}, which also returns `connectionConfig`.
   */
  getAccessToken(integrationType: ConnectorIntegrationType): Promise<string>;
  /** The shared connection of a workspace connector, by the connector's id. */
  getWorkspaceConnection(connectorId: string, options?: ConnectionOptions): Promise<ConnectorConnectionResponse>;
  /**
   * The connection of the app user on whose behalf the client acts. Without a user the server
   * replies 401.
   */
  getCurrentAppUserConnection(connectorId: string, options?: ConnectionOptions): Promise<ConnectorConnectionResponse>;
  /**
   * Sends a request to the vendor from the server, so the access token never leaves it. Never
   * repeated by the SDK.
   */
  callApi<T = unknown>(
    integrationType: ConnectorIntegrationType,
    request: ConnectorApiRequest,
    options?: CallOptions,
  ): Promise<ConnectorApiResponse<T>>;
}

/**
 * Connections of the signed-in app user, with that user's token. Rejects as {@link
 * ConnectorsModule} does.
 */
export interface UserConnectorsModule {
  /**
   * Starts a consent. Returns the http(s) address for the user's browser. It connects the account
   * of the person who opens it.
   */
  connectAppUser(connectorId: string, options?: CallOptions): Promise<string>;
  /** Ends the user's connection. The server deletes its tokens. */
  disconnectAppUser(connectorId: string, options?: CallOptions): Promise<void>;
}

/** Sends one HTTP request. The global `fetch` has this type. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ClientOptions {
  /**
   * Address of the Holdfast server without `/api`, such as `https://holdfast.example`. `""` is the
   * page's own origin.
   */
  readonly serverUrl: string;
  /** Id of the app that the connections belong to. */
  readonly appId: string;
  /** Token of the signed-in app user. */
  readonly token?: string | undefined;
  /** The app's service token. For backends only: it can read every connection of the app. */
  readonly serviceToken?: string | undefined;
  /** Sent with every request. The SDK's own headers take precedence. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Used instead of the global `fetch`. */
  readonly fetch?: Fetch | undefined;
}

/** The part of a `Request` that {@link createClientFromRequest} reads. */
export interface IncomingRequest {
  readonly headers: { get(name: string): string | null };
}

export interface RequestClientOptions {
  /** Used instead of the request's `Base44-Api-Url`. */
  readonly serverUrl?: string | undefined;
  /** Used instead of the global `fetch`. */
  readonly fetch?: Fetch | undefined;
}

export interface HoldfastClient {
  readonly connectors: UserConnectorsModule;
  /** Throws on access if the client has no service token. */
  readonly asServiceRole: { readonly connectors: ConnectorsModule };
}

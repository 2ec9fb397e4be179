/**
 * The public shapes of the SDK: what goes into a call and what comes out of it. Owns no behaviour, and nothing here
 * names a wire field; `connectors.ts` and `call-api.ts` translate.
 */

/**
 * The integration types that an app has declared, as keys. Empty until the app augments it, by hand or with
 * `holdfast types generate`; from then on only its keys are accepted where an integration type is asked for.
 *
 * ```ts
 * declare module "@holdfast/sdk" {
 *   interface ConnectorIntegrationTypeRegistry { slack: true; googlecalendar: true }
 * }
 * ```
 */
export interface ConnectorIntegrationTypeRegistry {}

/** Id of a service, such as `slack`: any string, or only the keys of {@link ConnectorIntegrationTypeRegistry} if it has some. */
export type ConnectorIntegrationType = keyof ConnectorIntegrationTypeRegistry extends never
  ? string
  : Extract<keyof ConnectorIntegrationTypeRegistry, string>;

/** What a function needs to call a vendor's API itself. */
export interface ConnectorConnectionResponse {
  /**
   * Valid at the moment of the answer; the server refreshes it when needed. Send it as `Authorization: Bearer …` (RFC 6750
   * §2.1) and do not keep it: ask again for the next request instead of storing it.
   */
  readonly accessToken: string;
  /** Named settings of the connection, such as a site's `subdomain`; `null` if the service has none. */
  readonly connectionConfig: Readonly<Record<string, string>> | null;
}

/** Options of every call that reaches the server. */
export interface CallOptions {
  /** Ends the wait. The call then rejects with the signal's reason. Without it a call waits as long as `fetch` does. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of the calls that return an access token. */
export interface ConnectionOptions extends CallOptions {
  /**
   * An access token that the vendor's API has just refused with 401. The server then hands out another one, refreshing if
   * it has to. Only the token's SHA-256 is sent.
   */
  readonly rejected?: string | undefined;
  /**
   * Whole seconds, 1 to 86,400: a token that lives at least so long, for work that outlasts one request. The server
   * refreshes if it has to; code `min_valid_unavailable` if no token of the service lives that long.
   */
  readonly minValidSeconds?: number | undefined;
}

/** Methods that {@link ConnectorsModule.callApi} forwards. */
export type ConnectorApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";

/** A request to a vendor's API that the server sends for us, adding the access token. */
export interface ConnectorApiRequest {
  /** Upper case. Default `GET`. */
  readonly method?: ConnectorApiMethod | undefined;
  /** The name (not the address) of one of the connector's API hosts. Default: its first. */
  readonly host?: string | null | undefined;
  /** Below that host's API root; starts with one `/`; may carry a query. */
  readonly path: string;
  /** Added to the query in `path`. */
  readonly query?: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>> | undefined;
  /** Only those which the connector allows are forwarded; the others are dropped. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Anything that JSON can hold. Not forwarded with `GET` and `HEAD`. */
  readonly body?: unknown;
}

/** How far a forwarded request got. Only `not_sent` proves that the vendor did not carry it out. */
export type ConnectorApiResponsePhase = "not_sent" | "responded" | "timed_out" | "sent_unconfirmed";

/**
 * What became of a forwarded request. A vendor's 4xx or 5xx is a result (`success: false`, its status and body), not an
 * exception. `T` is the caller's claim about the vendor's body; nothing checks it.
 */
export interface ConnectorApiResponse<T = unknown> {
  /** True only for a 2xx of the vendor. */
  readonly success: boolean;
  readonly phase: ConnectorApiResponsePhase;
  /** The vendor's HTTP status; `null` if it did not answer. */
  readonly status: number | null;
  /** The vendor's body; details of the failure if it did not answer; `null` when `dataBase64` is set. */
  readonly data: T | null;
  /** A binary body (image, PDF) in base64, of media type `contentType`. */
  readonly dataBase64: string | null;
  readonly contentType: string | null;
  /** The vendor's headers that the connector exposes, such as rate-limit counters. */
  readonly headers: Readonly<Record<string, string>>;
  /** Credits charged for this call; fractions occur; 0 where calls cost nothing. */
  readonly creditsCharged: number;
}

/**
 * Connections for an app's backend, under its service token.
 *
 * Every method rejects with a `TypeError` for a bad argument, before any request; with a `HoldfastError` if the server
 * refuses, cannot be reached or answers something else than promised; and with the signal's reason if aborted.
 */
export interface ConnectorsModule {
  /** The app's shared connection to a service. Each call asks the server; nothing is cached here. */
  getConnection(
    integrationType: ConnectorIntegrationType,
    options?: ConnectionOptions,
  ): Promise<ConnectorConnectionResponse>;
  /** @deprecated Use {@link ConnectorsModule.getConnection}, whose answer also has `connectionConfig`. */
  getAccessToken(integrationType: ConnectorIntegrationType): Promise<string>;
  /** The shared connection of a workspace connector, by the connector's id. */
  getWorkspaceConnection(connectorId: string, options?: ConnectionOptions): Promise<ConnectorConnectionResponse>;
  /** The connection of the app user on whose behalf the client was made; without one the server answers 401. */
  getCurrentAppUserConnection(connectorId: string, options?: ConnectionOptions): Promise<ConnectorConnectionResponse>;
  /** Lets the server make a request to the vendor, so that the access token never leaves it. Never repeated by the SDK. */
  callApi<T = unknown>(
    integrationType: ConnectorIntegrationType,
    request: ConnectorApiRequest,
    options?: CallOptions,
  ): Promise<ConnectorApiResponse<T>>;
}

/** Connections of the signed-in app user, under that user's token. Rejects as {@link ConnectorsModule} does. */
export interface UserConnectorsModule {
  /** Begins a consent. Returns the http(s) address to send the user's browser to; whoever opens it connects *their* account. */
  connectAppUser(connectorId: string, options?: CallOptions): Promise<string>;
  /** Ends the user's connection; its tokens are deleted on the server. */
  disconnectAppUser(connectorId: string, options?: CallOptions): Promise<void>;
}

/** Sends one HTTP request; the global `fetch` fits. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ClientOptions {
  /** Address of the Holdfast server without `/api`, such as `https://holdfast.example`; `""` is the page's own origin. */
  readonly serverUrl: string;
  /** Id of the app that the connections belong to. */
  readonly appId: string;
  /** Token of the signed-in app user. */
  readonly token?: string | undefined;
  /** The app's service token. For backends only: whoever has it can read every connection of the app. */
  readonly serviceToken?: string | undefined;
  /** Sent along with every request; the SDK's own headers win. */
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

/** The shapes of outbound HTTP: one request, and its response or failure. Sizes in bytes. */

export interface OutboundRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /**
   * https. With a gateway the URL is still the provider's. `plain_loopback` also allows local http.
   */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole exchange, from connecting to the end of the response body. */
  readonly deadline_ms: number;
  /** From the connection to the response headers. Unset: up to the deadline. */
  readonly headers_timeout_ms?: number;
  /**
   * Called when connected, right before the first byte is written. `false` closes without sending.
   */
  readonly onSend?: () => boolean;
  readonly signal?: AbortSignal;
}

export interface OutboundResponse {
  readonly kind: "response";
  readonly status: number;
  /** Names are lowercase. A repeated header has its first value. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** False if the body was cut off at `provider_response_bytes`. */
  readonly complete: boolean;
}

export type FailureReason =
  | "not_https"
  | "address_refused"
  | "not_representable"
  | "gave_up"
  | "aborted"
  | "dns_failed"
  | "connect_failed"
  | "connect_timeout"
  | "tls_failed"
  | "timeout"
  | "connection_lost";

export interface RequestFailure {
  /**
   * `not_sent`: no byte of the request can have left. `maybe_sent`: the other side may have acted
   * on it.
   */
  readonly kind: "not_sent" | "maybe_sent";
  readonly reason: FailureReason;
}

export interface HttpClient {
  /** Sends one request, once. Never throws. */
  send(request: OutboundRequest): Promise<OutboundResponse | RequestFailure>;
}

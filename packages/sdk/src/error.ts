/**
 * The one class of errors from calls to a server. Wrong arguments are plain `TypeError`s. Holds no
 * token: messages are the server's or fixed texts, and the body of a *successful* reply is never
 * kept.
 */
import { isRecord } from "./json.ts";

export interface HoldfastErrorDetails {
  readonly status: number;
  readonly code?: string | undefined;
  readonly data?: unknown;
  readonly requestId?: string | undefined;
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
}

/** A call was refused, could not be sent, or got an unexpected reply. */
export class HoldfastError extends Error {
  override readonly name: string = "HoldfastError";
  /** HTTP status. 0 if there was no complete reply. */
  readonly status: number;
  /**
   * The server's error code, or `undefined` if the server sent none. The SDK's own codes:
   *
   * - `network_error`: no complete reply, see `cause`.
   * - `invalid_response`: a 2xx reply that does not fit the call.
   * - `unexpected_redirect`: the server redirected.
   */
  readonly code: string | undefined;
  /** The whole body of the error reply: the parsed JSON, or the text if it was not JSON. */
  readonly data: unknown;
  /** Identifies the call in the server's log. */
  readonly requestId: string | undefined;
  /**
   * Whether the same call can succeed later. The server decides. By default this is true for a
   * failure in transit (no reply, 429, 502, 503, 504) of a call that is safe to repeat. Only
   * `callApi` and `connectAppUser` are not.
   */
  readonly retryable: boolean;

  constructor(message: string, details: HoldfastErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = details.status;
    this.code = details.code;
    this.data = details.data;
    this.requestId = details.requestId;
    this.retryable = details.retryable ?? false;
  }

  /** The body's `extra_data`: details for programs, such as `reason`. */
  get extraData(): Readonly<Record<string, unknown>> | undefined {
    const extra = isRecord(this.data) ? this.data["extra_data"] : undefined;
    return isRecord(extra) ? extra : undefined;
  }

  /** For logs: `JSON.stringify` of an `Error` would omit the message. */
  toJSON(): Record<string, unknown> {
    const { name, message, status, code, data, requestId, retryable } = this;
    return { name, message, status, code, data, requestId, retryable };
  }
}

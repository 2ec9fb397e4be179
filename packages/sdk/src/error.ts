/**
 * The one class of errors that come from talking to a server. Wrong arguments are plain `TypeError`s and never get here.
 * Holds no token: messages are the server's or fixed texts, and the body of a *successful* answer is never kept.
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

/** A call was refused, could not be made, or was answered with something else than promised. */
export class HoldfastError extends Error {
  override readonly name: string = "HoldfastError";
  /** HTTP status; 0 if there was no (complete) answer. */
  readonly status: number;
  /**
   * The server's error code. The SDK's own: `network_error` (no complete answer; see `cause`), `invalid_response` (a 2xx that is
   * not what the call promises), `unexpected_redirect`. `undefined` if the server named none.
   */
  readonly code: string | undefined;
  /** The whole body of the refusal: the parsed JSON, or the text if it was not JSON. */
  readonly data: unknown;
  /** Finds the call in the server's log. */
  readonly requestId: string | undefined;
  /**
   * The same call may succeed later. The server's word; where it gave none, true for a failure on the way (no answer, 429,
   * 502, 503, 504) of a call that can be repeated without harm, which is every one but `callApi` and `connectAppUser`.
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

  /** For logs: `JSON.stringify` of an `Error` would leave out the message. */
  toJSON(): Record<string, unknown> {
    const { name, message, status, code, data, requestId, retryable } = this;
    return { name, message, status, code, data, requestId, retryable };
  }
}

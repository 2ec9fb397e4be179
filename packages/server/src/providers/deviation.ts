/**
 * The type of a deviation: a named departure from an RFC, as a pure function over a token
 * endpoint's request or response.
 *
 * The functions are in deviations.ts. A provider refers to them by name, so it can be written as
 * JSON. A new name also needs its shape in schema.ts, and its case in `deviationOf`.
 */
import type { JsonObject, JsonValue } from "../core/types.ts";

/** A request to a token or revocation endpoint, before it is sent. */
export interface TokenRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Form parameters, until a deviation serializes them in another format. */
  readonly body: URLSearchParams | string;
}

/** The response of such an endpoint. The deviations give it the form that RFC 6749 §5 defines. */
export interface TokenResponse {
  readonly status: number;
  readonly body: JsonValue;
}

export interface DeviationContext {
  readonly grant: "authorization_code" | "client_credentials" | "refresh_token" | "revocation" | "api";
  /**
   * The scopes the connection requested, since some vendors require them again on refresh. Empty
   * for revocation and API requests.
   */
  readonly scopes: readonly string[];
}

/**
 * A deviation applies to code exchange, refresh and revocation. `response` also applies to identity
 * and health requests, to read their errors.
 */
export interface Deviation {
  readonly name: string;
  /** The section it departs from: "RFC 6749 §5.1". */
  readonly rfc: string;
  readonly request?: (request: TokenRequest, context: DeviationContext) => TokenRequest;
  /** Parses a body that is not JSON. Returns null if the format is not the one it handles. */
  readonly parse?: (text: string, content_type: string) => JsonObject | null;
  readonly response?: (received: TokenResponse, context: DeviationContext) => TokenResponse;
}

/** A deviation by name, with its vendor-specific parameters. */
export type DeviationRef =
  | { readonly name: "error_in_ok_response"; readonly statuses?: Readonly<Record<string, number>> }
  | { readonly name: "error_name"; readonly path: string }
  | { readonly name: "nested_token"; readonly key: string }
  | { readonly name: "renamed_members"; readonly members: Readonly<Record<string, string>> }
  | {
      readonly name: "granted_scopes";
      readonly aliases?: Readonly<Record<string, string>>;
      readonly prefix?: string;
      readonly silent?: readonly string[];
    }
  | { readonly name: "bearer_alias"; readonly names: readonly string[] }
  | { readonly name: "assume_bearer" }
  | { readonly name: "form_token_answer" }
  | { readonly name: "scope_on_refresh"; readonly separator: " " | "," };

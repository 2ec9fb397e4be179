/**
 * What a deviation is: a named departure from an RFC, as a pure function on a token endpoint's request or answer.
 *
 * The functions stand in deviations.ts; a provider names them as data, so that it can be written as JSON.
 */
import type { JsonObject, JsonValue } from "../core/types.ts";

/** One request to a token or revocation endpoint, before it is sent. */
export interface TokenRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Parameters until a deviation writes them in another form. */
  readonly body: URLSearchParams | string;
}

/** One answer of such an endpoint: what RFC 6749 §5 expects it to look like after the deviations. */
export interface TokenAnswer {
  readonly status: number;
  readonly body: JsonValue;
}

export interface DeviationContext {
  readonly grant: "authorization_code" | "client_credentials" | "refresh_token" | "revocation" | "api";
  /** The scopes that the connection asks for, since some vendors want them again on refresh. Empty elsewhere. */
  readonly scopes: readonly string[];
}

/** Used by exchange, refresh and revocation alike; `response` also by identity and health, where errors are read. */
export interface Deviation {
  readonly name: string;
  /** The section departed from. */
  readonly rfc: string;
  readonly request?: (request: TokenRequest, context: DeviationContext) => TokenRequest;
  /** Reads a body that is not JSON; null = this is not the form it knows. */
  readonly parse?: (text: string, content_type: string) => JsonObject | null;
  readonly response?: (answer: TokenAnswer, context: DeviationContext) => TokenAnswer;
}

/** A deviation by its name, with what it needs to know of the vendor. */
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

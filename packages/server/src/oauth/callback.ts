/**
 * Reads the provider's redirect (RFC 6749 §4.1.2), depending on the provider's kind of flow. The
 * caller must check state, browser session, user and issuer before it uses the result.
 */
import { Secret } from "../core/secret.ts";
import type { ConnectionConfig } from "../core/types.ts";
import type { Flow, Provider } from "../providers/provider.ts";
import { matchesPattern } from "../providers/template.ts";
import { derive } from "./token-response.ts";

/**
 * The redirect's grant, for `exchange`. `config` holds the values that the catalog derives from it.
 */
export type CallbackGrant =
  | { readonly kind: "code"; readonly code: Secret; readonly config: ConnectionConfig }
  | {
      readonly kind: "app_install";
      readonly instance_id: string;
      readonly signed_instance: Secret;
      readonly config: ConnectionConfig;
    };

export type CallbackReading =
  | { readonly kind: "granted"; readonly grant: CallbackGrant }
  | { readonly kind: "denied" }
  /** Neither a grant nor an error, or both. */
  | { readonly kind: "invalid" }
  /** A significant parameter is repeated (RFC 6749 §3.1). */
  | { readonly kind: "repeated" };

const MAX_CODE_LENGTH = 4096;

/**
 * Parameters that matter here. Vendors add others (hd, authuser, session_state, …), which are
 * ignored.
 */
function significantParameters(flow: Flow): readonly string[] {
  const common = ["state", "error", "iss"];
  return flow.kind === "app_install"
    ? [...common, flow.instance_param, flow.signed_instance_param]
    : [...common, "code"];
}

/** Returns the grant in the redirect's parameters, or why there is none. */
export function readCallback(provider: Provider, parameters: URLSearchParams): CallbackReading {
  const { flow } = provider;
  const values = provider.derived_config.filter(({ from }) => from === "callback").map(({ path }) => path);
  const repeated = [...significantParameters(flow), ...values].some((name) => parameters.getAll(name).length > 1);
  if (repeated) return { kind: "repeated" };
  const config = derive(provider, "callback", Object.fromEntries(parameters));
  const grant = flow.kind === "app_install" ? installOf(flow, parameters, config) : codeOf(parameters, config);
  if (parameters.has("error")) return grant === null ? { kind: "denied" } : { kind: "invalid" };
  return grant === null ? { kind: "invalid" } : { kind: "granted", grant };
}

function codeOf(parameters: URLSearchParams, config: ConnectionConfig): CallbackGrant | null {
  const code = parameters.get("code") ?? "";
  return code === "" || code.length > MAX_CODE_LENGTH ? null : { kind: "code", code: new Secret(code), config };
}

function installOf(
  flow: Extract<Flow, { kind: "app_install" }>,
  parameters: URLSearchParams,
  config: ConnectionConfig,
): CallbackGrant | null {
  const instance_id = parameters.get(flow.instance_param) ?? "";
  const signed = parameters.get(flow.signed_instance_param) ?? "";
  if (!matchesPattern(flow.instance_pattern, instance_id) || signed === "" || signed.length > MAX_CODE_LENGTH)
    return null;
  return { kind: "app_install", instance_id, signed_instance: new Secret(signed), config };
}

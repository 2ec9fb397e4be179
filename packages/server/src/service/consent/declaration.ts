/** A connector as an app declares it, checked and compared: its scopes and its settings. Pure. */
import { isDeepStrictEqual } from "node:util";
import { CodedError } from "../../core/errors.ts";
import { SCOPE_TOKEN, sameScopes, unique } from "../../core/scopes.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import { withDefaults, type Provider } from "../../providers/provider.ts";
import { checkConfig, type ConfigError } from "../../providers/template.ts";

const MAX_SCOPES = 200;

/** Returns the declared scopes, or the defaults, and always the required ones. */
export function effectiveScopes(provider: Provider, declared: readonly string[]): readonly string[] {
  return unique([...(declared.length === 0 ? provider.default_scopes : declared), ...provider.required_scopes]);
}

/** Reports whether two declarations request the same scopes. */
export function declareTheSame(provider: Provider, a: readonly string[], b: readonly string[]): boolean {
  return sameScopes(effectiveScopes(provider, a), effectiveScopes(provider, b));
}

/**
 * Returns the declaration with added scopes. An empty declaration means the defaults, which are
 * then kept.
 */
export function withScopes(
  provider: Provider,
  declared: readonly string[] | null,
  added: readonly string[],
): readonly string[] {
  if (declared === null || added.length === 0) return declared ?? added;
  return checkScopes([...(declared.length === 0 ? provider.default_scopes : declared), ...added]);
}

/** Returns the scopes if they are valid. @throws CodedError `invalid_scope` */
export function checkScopes(scopes: readonly string[]): readonly string[] {
  const list = unique(scopes);
  const bad = list.filter((scope) => !SCOPE_TOKEN.test(scope));
  if (bad.length > 0 || list.length > MAX_SCOPES) {
    const message =
      list.length > MAX_SCOPES ? `at most ${MAX_SCOPES}` : "visible ASCII characters without quotes, at most 256";
    throw new CodedError("invalid_scope", { errors: [{ name: "scopes", message }] });
  }
  return list;
}

/**
 * Checks the given values. The confirm page asks for missing ones.
 *
 * @throws CodedError `invalid_connection_config`
 */
export function checkGiven(provider: Provider, given: ConnectionConfig): ConnectionConfig {
  const checked = checkConfig(provider, given);
  const wrong = "config" in checked ? [] : checked.errors.filter((error) => error.kind !== "missing");
  if (wrong.length > 0) throw configError(wrong);
  return withoutBlanks(given);
}

export function configError(errors: readonly ConfigError[]): CodedError {
  const only_missing = errors.every((error) => error.kind === "missing");
  const fields = errors.map(({ name, message }) => ({ name, message }));
  return new CodedError(only_missing ? "missing_connection_config" : "invalid_connection_config", {
    errors: fields,
    message: fields.map((field) => field.message).join(" "),
  });
}

/**
 * Returns the part of a connection's config that the builder entered, without values from
 * responses.
 */
export function inputConfig(provider: Provider, config: ConnectionConfig): ConnectionConfig {
  const names = new Set(provider.config_fields.map((field) => field.name));
  return Object.fromEntries(Object.entries(config).filter(([name]) => names.has(name)));
}

export function sameConfig(provider: Provider, a: ConnectionConfig, b: ConnectionConfig): boolean {
  return isDeepStrictEqual(withDefaults(provider, a), withDefaults(provider, b));
}

/** Drops empty values: an empty form field means "not given". */
export function withoutBlanks(config: ConnectionConfig): ConnectionConfig {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value.trim() !== ""));
}

/**
 * URL templates: `https://{hostname}/services/oauth2/token` and a connection's config become one URL, or nothing.
 *
 * A value decides where a secret is sent, so two checks that do not trust each other stand in the way: the field's
 * anchored pattern before it is put in, and afterwards the parsed URL, which must be the very text that was built. A
 * text that the URL parser changes (dot segments, `@`, a port, full-width letters, `127.1`) is not the host it looks
 * like. A value that is a whole host must also lie under one of the domains that its field names. Nothing here reads the network; nothing throws.
 */
import type { FieldError } from "../core/errors.ts";
import type { ConnectionConfig } from "../core/types.ts";
import { withDefaults, type ConfigField, type Provider } from "./provider.ts";

/** Longer than any legal host or id, and short enough that no pattern can be made slow. */
const MAX_VALUE_LENGTH = 1024;
const PLACE = /\{([A-Za-z0-9_]+)\}/g;
/** What vendors use in client ids. Path segments `.` and `..` fail the comparison after parsing. */
const CLIENT_ID_PATTERN = "^[A-Za-z0-9._~-]{1,256}$";

/** True when `pattern` takes the whole value. */
export function matchesPattern(pattern: string, value: string): boolean {
  if (value === "" || value.length > MAX_VALUE_LENGTH) return false;
  return new RegExp(pattern).exec(value)?.[0] === value;
}

/** True when a field or derived value takes `value`: by its pattern and, for a host or an origin, by its domains. */
export function accepts(field: Pick<ConfigField, "pattern" | "under">, value: string): boolean {
  if (!matchesPattern(field.pattern, value)) return false;
  return field.under === undefined || liesUnder(value.replace(/^https:\/\//, ""), field.under);
}

/**
 * The URL that a template of this provider stands for; null when a value is missing or not allowed, or when the result
 * is not an https URL at exactly the host that the template and its values spell.
 *
 * @param client_id fills `{client_id}`, for the vendors that have it in a path
 */
export function fillTemplate(
  provider: Provider,
  template: string,
  config: ConnectionConfig,
  client_id?: string,
): string | null {
  const [, origin_template, rest_template] = /^(https:\/\/[^/?#]*|\{\w+\})(.*)$/s.exec(template) ?? [];
  if (origin_template === undefined || rest_template === undefined) return null;
  const values = valuesOf(provider, config, client_id);
  const origin = fill(origin_template, values, (value) => value);
  const rest = fill(rest_template, values, encodeURIComponent);
  if (origin === null || rest === null || !URL.canParse(origin + rest)) return null;

  const url = new URL(origin + rest);
  const [literal_suffix = ""] = /[^{}]*$/.exec(origin_template) ?? [];
  const unbound = isBoundOrigin(origin_template) ? [] : namesIn(origin_template);
  const as_built = rest.startsWith("/") ? origin + rest : `${origin}/${rest}`;
  const intact =
    url.protocol === "https:" &&
    // `origin` has neither user information nor a default port, so equality rules both out, and other ports below.
    url.origin === origin &&
    url.port === "" &&
    url.hash === "" &&
    url.origin.endsWith(literal_suffix) &&
    url.href === as_built &&
    unbound.every((name) => liesUnder(url.hostname, values.get(name)?.under));
  return intact ? origin + rest : null;
}

/** True when no value can move the host elsewhere: it has no place, or ends in a dot and two labels. */
export function isBoundOrigin(origin_template: string): boolean {
  return /^https:\/\/(?:[^{}]+|.*\}\.[a-z0-9-]+(?:\.[a-z0-9-]+)+)$/.test(origin_template);
}

/** True when `hostname` is one of the domains, or below one. A place that names none may not be a whole host. */
function liesUnder(hostname: string, under: readonly string[] | undefined): boolean {
  return under?.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`)) ?? false;
}

/** The names of the places in a template. */
export function namesIn(template: string): readonly string[] {
  return [...template.matchAll(PLACE)].map(([, name = ""]) => name);
}

type Place = Pick<ConfigField, "pattern" | "under"> & { readonly value: string };

function valuesOf(provider: Provider, config: ConnectionConfig, client_id?: string): ReadonlyMap<string, Place> {
  const complete = withDefaults(provider, config);
  const places = new Map<string, Place>();
  for (const field of [...provider.config_fields, ...provider.derived_config]) {
    const value = Object.hasOwn(complete, field.name) ? complete[field.name] : undefined;
    if (value !== undefined) places.set(field.name, { ...field, value });
  }
  if (client_id !== undefined) places.set("client_id", { value: client_id, pattern: CLIENT_ID_PATTERN });
  return places;
}

function fill(text: string, places: ReadonlyMap<string, Place>, encode: (value: string) => string): string | null {
  let allowed = true;
  const filled = text.replaceAll(PLACE, (_whole, name: string) => {
    const place = places.get(name);
    if (place !== undefined && accepts(place, place.value)) return encode(place.value);
    allowed = false;
    return "";
  });
  return allowed ? filled : null;
}

/** `kind` tells a missing field, which has its own error code, from a wrong or an unknown one. */
export interface ConfigError extends FieldError {
  readonly kind: "missing" | "invalid" | "unknown";
}

/** The config that a consent starts with: what was given and the defaults, or every reason why not. */
export function checkConfig(
  provider: Provider,
  given: ConnectionConfig,
): { readonly config: ConnectionConfig } | { readonly errors: readonly ConfigError[] } {
  const known = new Set(provider.config_fields.map((field) => field.name));
  const errors: ConfigError[] = Object.keys(given)
    .filter((name) => !known.has(name))
    .map((name) => ({ kind: "unknown", name, message: `${provider.display_name} has no such setting. Remove it.` }));

  // A form sends an empty text for a field that was left alone.
  const filled = Object.fromEntries(Object.entries(given).filter(([name, value]) => known.has(name) && value !== ""));
  const config = withDefaults(provider, filled);
  for (const field of provider.config_fields) {
    const value = config[field.name];
    if (value === undefined) {
      if (field.required) {
        errors.push({ kind: "missing", name: field.name, message: `${field.display_name} is required.` });
      }
    } else if (!accepts(field, value)) {
      errors.push({ kind: "invalid", name: field.name, message: field.validation_error });
    }
  }
  return errors.length > 0 ? { errors } : { config };
}

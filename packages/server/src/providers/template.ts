/**
 * URL templates: `https://{hostname}/services/oauth2/token` and a connection's config yield a URL
 * or null.
 *
 * A config value decides where a secret is sent, so two independent checks guard it. Before
 * insertion the value must match the field's anchored pattern. Afterwards the parsed URL must equal
 * the string that was built. A string that the URL parser changes (dot segments, `@`, a port,
 * full-width letters, `127.1`) is not the host that it appears to be. A value that is a whole host
 * must also be one of the field's domains or a subdomain. Nothing here does I/O, and nothing
 * throws.
 */
import type { FieldError } from "../core/errors.ts";
import type { ConnectionConfig } from "../core/types.ts";
import { withDefaults, type ConfigField, type Provider } from "./provider.ts";

/** Longer than any legal host or id, and too short to make a pattern match slowly. */
const MAX_VALUE_LENGTH = 1024;
const VARIABLE = /\{([A-Za-z0-9_]+)\}/g;
/** Characters that vendors use in client ids. The URL comparison rejects `.` and `..` segments. */
const CLIENT_ID_PATTERN = "^[A-Za-z0-9._~-]{1,256}$";

/** Reports whether `pattern` matches the whole value. */
export function matchesPattern(pattern: string, value: string): boolean {
  if (value === "" || value.length > MAX_VALUE_LENGTH) return false;
  return new RegExp(pattern).exec(value)?.[0] === value;
}

/** Reports whether `value` matches the field's pattern and, for a host or origin, its domains. */
export function accepts(field: Pick<ConfigField, "pattern" | "under">, value: string): boolean {
  if (!matchesPattern(field.pattern, value)) return false;
  return field.under === undefined || isUnder(value.replace(/^https:\/\//, ""), field.under);
}

/**
 * Fills in a provider's URL template. Returns null if a value is missing or not allowed. Also
 * returns null unless the result is an https URL at exactly the host that the template and its
 * values spell out.
 *
 * @param client_id replaces `{client_id}`, for vendors that put it in a path
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
    // `url.origin` never has user info or a default port, so equality rules out both. The next line
    // rules out other ports.
    url.origin === origin &&
    url.port === "" &&
    url.hash === "" &&
    url.origin.endsWith(literal_suffix) &&
    url.href === as_built &&
    unbound.every((name) => isUnder(url.hostname, values.get(name)?.under));
  return intact ? origin + rest : null;
}

/** Reports whether the host is fixed: no variables, or a literal suffix of two labels. */
export function isBoundOrigin(origin_template: string): boolean {
  return /^https:\/\/(?:[^{}]+|.*\}\.[a-z0-9-]+(?:\.[a-z0-9-]+)+)$/.test(origin_template);
}

/** Reports whether `hostname` is one of the domains or a subdomain of one. */
function isUnder(hostname: string, under: readonly string[] | undefined): boolean {
  return under?.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`)) ?? false;
}

/** Returns the names of the variables in a template. */
export function namesIn(template: string): readonly string[] {
  return [...template.matchAll(VARIABLE)].map(([, name = ""]) => name);
}

type Binding = Pick<ConfigField, "pattern" | "under"> & { readonly value: string };

function valuesOf(provider: Provider, config: ConnectionConfig, client_id?: string): ReadonlyMap<string, Binding> {
  const complete = withDefaults(provider, config);
  const bindings = new Map<string, Binding>();
  for (const field of [...provider.config_fields, ...provider.derived_config]) {
    const value = Object.hasOwn(complete, field.name) ? complete[field.name] : undefined;
    if (value !== undefined) bindings.set(field.name, { ...field, value });
  }
  if (client_id !== undefined) bindings.set("client_id", { value: client_id, pattern: CLIENT_ID_PATTERN });
  return bindings;
}

function fill(text: string, bindings: ReadonlyMap<string, Binding>, encode: (value: string) => string): string | null {
  const refused: string[] = [];
  const filled = text.replaceAll(VARIABLE, (_whole, name: string) => {
    const binding = bindings.get(name);
    if (binding !== undefined && accepts(binding, binding.value)) return encode(binding.value);
    refused.push(name);
    return "";
  });
  return refused.length === 0 ? filled : null;
}

/** A problem with one setting. A missing field has its own error code, so `kind` keeps it apart. */
export interface ConfigError extends FieldError {
  readonly kind: "missing" | "invalid" | "unknown";
}

/** Returns the config for a consent, defaults included, or every error in the values given. */
export function checkConfig(
  provider: Provider,
  input: ConnectionConfig,
): { readonly config: ConnectionConfig } | { readonly errors: readonly ConfigError[] } {
  const known = new Set(provider.config_fields.map((field) => field.name));
  const errors: ConfigError[] = Object.keys(input)
    .filter((name) => !known.has(name))
    .map((name) => ({ kind: "unknown", name, message: `${provider.display_name} has no such setting. Remove it.` }));

  // A form sends an empty string for a field left blank.
  const present = Object.fromEntries(Object.entries(input).filter(([name, value]) => known.has(name) && value !== ""));
  const config = withDefaults(provider, present);
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

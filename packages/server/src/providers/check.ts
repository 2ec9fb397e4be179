/**
 * Checks a provider beyond its shape. No config value can move a URL to another host, patterns are
 * anchored, names are unique, and no secret ends up in a connection's config.
 *
 * Tests run these checks on the built-in catalog, and custom.ts runs them on every operator's file.
 * Everything here is pure and returns problems as values.
 */
import { escapePointer, type Problem } from "./problem.ts";
import type { ApiRequest, Provider } from "./provider.ts";
import { accepts, isBoundOrigin, namesIn } from "./template.ts";

/** Parameters of the authorization request that the protocol sets. */
const PROTOCOL_PARAMS = ["response_type", "redirect_uri", "state", "code_challenge", "code_challenge_method", "nonce"];
/** Response members that hold credentials. They never become part of a connection's config. */
const SECRET_PATH = /(?:^|[._])(?:access_token|refresh_token|id_token|client_secret|token|secret|password|code)$/i;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

const PATTERN_RULE = "must be a regular expression that begins with ^ and ends with $";

/** Returns every problem of a well-formed provider. An empty list means it can be used. */
export function checkProvider(provider: Provider): readonly Problem[] {
  return [
    ...checkValues(provider),
    ...urlsOf(provider).flatMap(([pointer, url]) => checkTemplate(provider, pointer, url)),
    ...requestsOf(provider).flatMap(([pointer, request]) => checkRequest(pointer, request)),
    ...checkParameters(provider),
    ...checkScopes(provider),
    ...checkLifetime(provider),
  ];
}

function checkValues(provider: Provider): readonly Problem[] {
  const { config_fields, derived_config } = provider;
  const values = [...config_fields, ...derived_config];
  const pointers = [
    ...config_fields.map((_field, index) => `/config_fields/${index}`),
    ...derived_config.map((_value, index) => `/derived_config/${index}`),
  ];
  const problems = values.flatMap((value, index) => {
    const at = pointers[index] ?? "";
    return [
      ...(values.findIndex(({ name }) => name === value.name) < index
        ? [{ pointer: `${at}/name`, rule: "must not repeat the name of an earlier setting or derived value" }]
        : []),
      ...(isAnchored(value.pattern) ? [] : [{ pointer: `${at}/pattern`, rule: PATTERN_RULE }]),
      ...(value.under ?? []).flatMap((domain, position) =>
        DOMAIN.test(domain)
          ? []
          : [{ pointer: `${at}/under/${position}`, rule: "must be a lowercase domain with at least two labels" }],
      ),
    ];
  });
  const defaults = config_fields.flatMap((field, index) =>
    field.default === null || (isAnchored(field.pattern) && accepts(field, field.default))
      ? []
      : [{ pointer: `/config_fields/${index}/default`, rule: "must match the field's own pattern and domains" }],
  );
  const secrets = derived_config.flatMap(({ path }, index) =>
    SECRET_PATH.test(path)
      ? [
          {
            pointer: `/derived_config/${index}/path`,
            rule: "must not be a token or a secret: callers can read this value",
          },
        ]
      : [],
  );
  return [...problems, ...defaults, ...secrets, ...checkOtherPatterns(provider)];
}

function checkOtherPatterns({ flow, identity }: Provider): readonly Problem[] {
  return [
    ...(identity.from === "id_token" && !isAnchored(identity.issuer)
      ? [{ pointer: "/identity/issuer", rule: PATTERN_RULE }]
      : []),
    ...(flow.kind === "app_install" && !isAnchored(flow.instance_pattern)
      ? [{ pointer: "/flow/instance_pattern", rule: PATTERN_RULE }]
      : []),
  ];
}

/** Reports whether a pattern compiles and is anchored at both ends, alternatives included. */
function isAnchored(pattern: string): boolean {
  if (!/^\^.*[^\\]\$$/s.test(pattern) || hasBareAlternative(pattern)) return false;
  try {
    return new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

/** Reports whether a pattern has a `|` outside a group. Each side of `^a|b$` lacks one anchor. */
function hasBareAlternative(pattern: string): boolean {
  const plain = pattern.replaceAll(/\\./g, "").replaceAll(/\[[^\]]*\]/g, "");
  let depth = 0;
  for (const letter of plain) {
    if (letter === "(") depth += 1;
    if (letter === ")") depth -= 1;
    if (letter === "|" && depth === 0) return true;
  }
  return false;
}

function checkTemplate(provider: Provider, pointer: string, url: string): readonly Problem[] {
  const [, origin] = /^(https:\/\/[^/?#]*|\{\w+\})/.exec(url) ?? [];
  if (origin === undefined) return [{ pointer, rule: "must begin with https:// and a host" }];
  const values = [...provider.config_fields, ...provider.derived_config];
  const known = new Set([...values.map(({ name }) => name), "client_id"]);
  const unknown = namesIn(url).filter((name) => !known.has(name));
  if (unknown.length > 0) return [{ pointer, rule: `uses {${unknown[0]}}, which is not a setting or a derived value` }];
  const in_host = namesIn(origin);
  const bound =
    isBoundOrigin(origin) || in_host.every((name) => values.some((v) => v.name === name && v.under !== undefined));
  if (!bound || in_host.includes("client_id")) {
    return [
      {
        pointer,
        rule: "lets a setting choose the host. End the host in a fixed domain, or add `under` to the setting",
      },
    ];
  }
  if (in_host.length === 0 && (!URL.canParse(origin) || new URL(origin).origin !== origin || /:\d/.test(origin))) {
    return [{ pointer, rule: "must have a plain host in lowercase, without user info, port or escapes" }];
  }
  return url.includes("#") ? [{ pointer, rule: "must not have a fragment" }] : [];
}

function checkRequest(pointer: string, request: ApiRequest): readonly Problem[] {
  const problems: Problem[] = [];
  const text = JSON.stringify([request.headers, request.body, request.form, request.query]);
  const variables = [...text.matchAll(/"[^"]*\{([a-z_]+)\}[^"]*"/g)].map(([, name = ""]) => name);
  const unknown = variables.find(
    (name) => !["access_token", "refresh_token", "client_id", "client_secret"].includes(name),
  );
  if (unknown !== undefined) problems.push({ pointer, rule: `uses {${unknown}}, which is never filled in` });
  if (request.form !== undefined && request.body !== undefined) {
    problems.push({ pointer: `${pointer}/form`, rule: "must not be combined with a body" });
  }
  const needs_client = request.auth === "client_secret_basic" || variables.some((name) => name.startsWith("client_"));
  if (pointer === "/health" && (needs_client || variables.includes("refresh_token"))) {
    problems.push({ pointer, rule: "must use the access token alone" });
  }
  return problems;
}

function checkParameters(provider: Provider): readonly Problem[] {
  const owned = new Set([
    ...PROTOCOL_PARAMS,
    provider.client_id_param,
    ...(provider.scope_param === null ? [] : [provider.scope_param]),
  ]);
  const params = Object.keys(provider.authorization_params).filter((name) => owned.has(name));
  const fields = provider.config_fields.flatMap(({ authorization_param }, index) =>
    authorization_param !== undefined && owned.has(authorization_param) ? [index] : [],
  );
  const rule = "must not be a parameter that the protocol sets";
  const headers = Object.keys(provider.token_headers).filter((name) => name.toLowerCase() === "authorization");
  return [
    ...params.map((name) => ({ pointer: `/authorization_params/${escapePointer(name)}`, rule })),
    ...fields.map((index) => ({ pointer: `/config_fields/${index}/authorization_param`, rule })),
    ...headers.map((name) => ({
      pointer: `/token_headers/${escapePointer(name)}`,
      rule: "must not contain a credential",
    })),
  ];
}

function checkScopes({ scope_param, default_scopes, required_scopes }: Provider): readonly Problem[] {
  if (scope_param !== null) return [];
  const rule = "must be empty when there is no scope parameter";
  return [
    ...(default_scopes.length === 0 ? [] : [{ pointer: "/default_scopes", rule }]),
    ...(required_scopes.length === 0 ? [] : [{ pointer: "/required_scopes", rule }]),
  ];
}

function checkLifetime({ lifetime, flow }: Provider): readonly Problem[] {
  const { refresh, refresh_idle_s, refresh_absolute_s } = lifetime;
  const both = refresh_idle_s !== null && refresh_absolute_s !== null;
  const remint_fits_flow = (flow.kind === "app_install") === (refresh.kind === "remint");
  return [
    ...(both ? [{ pointer: "/lifetime/refresh_absolute_s", rule: "must be null when refresh_idle_s is set" }] : []),
    ...(remint_fits_flow
      ? []
      : [{ pointer: "/lifetime/refresh", rule: "must be remint if and only if the flow is app_install" }]),
  ];
}

/** Returns every request to the vendor's API in the definition, each with its pointer. */
export function requestsOf(provider: Provider): readonly (readonly [string, ApiRequest])[] {
  const { flow, identity, revocation } = provider;
  const long_lived = flow.kind === "authorization_code" ? flow.long_lived : undefined;
  return [
    ["/health", provider.health],
    ...(identity.from === "request" ? [["/identity/request", identity.request] as const] : []),
    ...(identity.from === "id_token" && identity.otherwise !== null
      ? [["/identity/otherwise/request", identity.otherwise.request] as const]
      : []),
    ...(revocation.kind === "request" ? [["/revocation/request", revocation.request] as const] : []),
    ...(long_lived === undefined
      ? []
      : [
          ["/flow/long_lived/exchange", long_lived.exchange] as const,
          ["/flow/long_lived/renewal", long_lived.renewal] as const,
        ]),
  ];
}

/** Returns every URL template of a provider, each with its pointer. */
export function urlsOf(provider: Provider): readonly (readonly [string, string])[] {
  return [
    ["/authorization_url", provider.authorization_url],
    ["/token_url", provider.token_url],
    ...requestsOf(provider).map(([pointer, { url }]) => [`${pointer}/url`, url] as const),
    ...(provider.revocation.kind === "rfc7009" ? [["/revocation/url", provider.revocation.url] as const] : []),
    ...provider.hosts.map(({ base_url }, index) => [`/hosts/${index}/base_url`, base_url] as const),
  ];
}

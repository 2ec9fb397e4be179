/** Describes a service of the catalog to a user who registers an OAuth client and connects it. */
import type { Provider } from "../../providers/provider.ts";

/** Returns the service in sections. Leaves out empty ones. */
export function providerText(provider: Provider): string {
  const { id, display_name, description, docs_url, traps, unverified } = provider;
  const sections = [
    [`${display_name} (${id})`, description, docs_url],
    section("Register an OAuth client", registration(provider)),
    section("Scopes", scopes(provider)),
    section("Settings of a connection", settings(provider)),
    section("Tokens", tokens(provider)),
    section("What to watch out for", traps),
    section("Not verified with a real account", unverified),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function registration({ id, vendor, registration: { url, notes }, https_redirect_only }: Provider): readonly string[] {
  return [
    `Open ${url}`,
    `Redirect URI: PUBLIC_URL/api/external-auth/callback/${vendor}`,
    ...(https_redirect_only ? ["The redirect URI must be https, even for localhost."] : []),
    ...notes,
    `Then run: holdfast clients set ${id} --client-id ID --client-secret-stdin`,
  ];
}

function scopes({ scope_param, default_scopes, required_scopes, common_scopes }: Provider): readonly string[] {
  if (scope_param === null) return ["None. The app's settings or the consent screen decide what a connection can do."];
  const list = (values: readonly string[]): string => (values.length === 0 ? "none" : values.join(" "));
  return [
    `Requested when an app declares none: ${list(default_scopes)}`,
    `Added to every consent: ${list(required_scopes)}`,
    ...aligned(common_scopes.map(({ scope, meaning }) => [scope, meaning])),
  ];
}

function settings({ config_fields, derived_config }: Provider): readonly string[] {
  const fields = config_fields.map(({ name, description, required, default: default_value, placeholder }) => {
    const needed = required ? "required" : default_value === null ? "optional" : `default ${default_value}`;
    return [name, `${description} (${needed}, such as ${placeholder})`] as const;
  });
  const derived = derived_config.map(({ name }) => [name, "The service returns it."] as const);
  return aligned([...fields, ...derived]);
}

function tokens({ lifetime, revocation, pkce, hosts }: Provider): readonly string[] {
  const { access_s, refresh_idle_s, refresh_absolute_s } = lifetime;
  return aligned([
    ["access token", accessTokenText(access_s)],
    ["refresh", refreshText(lifetime)],
    ...(refresh_idle_s === null ? [] : [["expires unused", `after ${duration(refresh_idle_s)}`] as const]),
    ...(refresh_absolute_s === null ? [] : [["expires", `${duration(refresh_absolute_s)} after the consent`] as const]),
    ["revoked on disconnect", revocation.kind === "none" ? `no. ${revocation.note}` : "yes"],
    ["PKCE", pkce === "S256" ? "S256" : "not sent"],
    ...hosts.map(({ name, base_url }) => [`API ${name}`, base_url] as const),
  ]);
}

function aligned(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}

export function accessTokenText(access_s: number | null): string {
  return access_s === null ? "No expiry is announced" : `${duration(access_s)} unless the response says otherwise`;
}

/** Returns what happens to the refresh token at a refresh. */
export function refreshText({ refresh }: Pick<Provider["lifetime"], "refresh">): string {
  return REFRESH[refresh.kind === "rotates" ? refresh.reuse : refresh.kind];
}

const REFRESH = {
  none: "None. The user consents again when the token expires",
  stays: "The refresh token stays the same, or the old one stays valid",
  remint: "Not needed. Holdfast requests each new access token for the installation",
  grace: "Each refresh replaces the refresh token. The old one stays valid for a while",
  strict: "Each refresh token works once",
} as const;

export function duration(seconds: number): string {
  const units = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ] as const;
  const [size, unit] = units.find(([length]) => seconds >= length * 2 || seconds === length) ?? [1, "second"];
  const count = Math.round((seconds / size) * 10) / 10;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

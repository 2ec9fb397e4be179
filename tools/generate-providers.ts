/**
 * Generates the pages about services from the catalog: docs/providers/<id>.md, README.md and
 * differences.md, and the JSON schema of operators' own services. Pure: returns file contents by
 * path, and the caller writes them.
 */
import { accessTokenText, duration, refreshText } from "../packages/server/src/cli/connectors/provider-text.ts";
import { keepAliveInterval_ms } from "../packages/server/src/providers/lifetime.ts";
import { providers } from "../packages/server/src/providers/index.ts";
import type { Provider } from "../packages/server/src/providers/provider.ts";
import { ProviderSchema } from "../packages/server/src/providers/schema.ts";
import { DIFFERENCES } from "./provider-differences.ts";

const FOLDER = "docs/providers";
const NOTE = "<!-- Generated from the catalog by `npm run generate`. Edit packages/server/src/providers instead. -->";

/** Returns the contents of each generated file, by path from the repository's root. */
export function generateProviderDocs(): Map<string, string> {
  const all = [...providers.values()].toSorted((a, b) => a.display_name.localeCompare(b.display_name, "en"));
  return new Map([
    ...all.map((provider) => [`${FOLDER}/${provider.id}.md`, page(provider)] as const),
    [`${FOLDER}/README.md`, overview(all)],
    [`${FOLDER}/differences.md`, differences()],
    ["docs/provider.schema.json", jsonText(schema())],
  ]);
}

function schema(): object {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...ProviderSchema };
}

/** Formats JSON as the formatter would: an array of strings goes on one line if it fits. */
function jsonText(value: object): string {
  const text = JSON.stringify(value, null, 2).replaceAll(
    /^( *"\w+": )\[\n((?: *"[^"\n]*",?\n)+) *\](,?)$/gm,
    (whole, name: string, items: string, comma: string) => {
      const line = `${name}[${items.trim().split(/,\n */).join(", ")}]${comma}`;
      return line.length <= 120 ? line : whole;
    },
  );
  return `${text}\n`;
}

function page(provider: Provider): string {
  return document(
    NOTE,
    `# ${provider.display_name}`,
    `${provider.description} Its id is \`${provider.id}\`. [The vendor's documentation](${provider.docs_url}).`,
    ...registration(provider),
    ...scopes(provider),
    ...settings(provider),
    ...tokens(provider),
    ...listSection("What to watch out for", provider.traps),
    ...departures(provider),
    ...listSection(
      "Sources",
      provider.sources.map((url) => `<${url}>`),
    ),
    ...listSection(
      "Not verified",
      provider.unverified,
      "Based on memory, on a single source or on reports. Each line ends with the test that would settle it.",
    ),
  );
}

function registration({ id, vendor, registration: { url, notes }, https_redirect_only }: Provider): readonly string[] {
  const steps = [
    `Open <${url}>.`,
    `Set the redirect URI to \`<public URL>/api/external-auth/callback/${vendor}\`, exactly as shown.${
      https_redirect_only ? " It must be https. This vendor rejects plain http, even for localhost." : ""
    }`,
    ...notes,
    `Run \`holdfast clients set ${id} --client-id ID --client-secret-stdin\`.`,
  ];
  return ["## Register an OAuth client", steps.map((step, index) => `${index + 1}. ${step}`).join("\n")];
}

function scopes(provider: Provider): readonly string[] {
  if (provider.scope_param === null) {
    return ["## Scopes", "None. The app's settings or the consent screen decide what a connection can do."];
  }
  const { default_scopes, required_scopes } = provider;
  const rows = provider.common_scopes.map(({ scope, meaning }) => [`\`${scope}\``, meaning]);
  const inline = (list: readonly string[]) =>
    list.length === 0 ? "none" : list.map((scope) => `\`${scope}\``).join(", ");
  return [
    "## Scopes",
    `Requested when an app declares no scopes: ${inline(default_scopes)}.\nAdded to every consent: ${inline(required_scopes)}.`,
    ...(rows.length === 0 ? [] : [table(["Scope", "Allows"], rows)]),
  ];
}

function settings({ config_fields, derived_config }: Provider): readonly string[] {
  const fields = config_fields.map((field) => [
    `\`${field.name}\``,
    field.display_name,
    field.description,
    field.required ? "yes" : field.default === null ? "no" : `no, defaults to \`${field.default}\``,
    `\`${field.placeholder}\``,
  ]);
  const derived = derived_config.map(({ name, from }) => [`\`${name}\``, FROM[from]]);
  return [
    ...(fields.length === 0
      ? []
      : ["## Settings of a connection", table(["Name", "Label", "Description", "Required", "Example"], fields)]),
    ...(derived.length === 0
      ? []
      : [
          "## Values that the vendor returns",
          "Callers receive these in `connectionConfig`, together with the settings.",
          table(["Name", "Source"], derived),
        ]),
  ];
}

const FROM = {
  token: "the token response",
  identity: "the account request",
  id_token: "the ID token",
  callback: "the redirect",
} as const;

function tokens(provider: Provider): readonly string[] {
  const { lifetime, revocation } = provider;
  const keep_alive_ms = keepAliveInterval_ms(provider);
  const rows = [
    ["Access token", accessTokenText(lifetime.access_s)],
    ["Refresh", refreshText(lifetime)],
    ...(lifetime.refresh_idle_s === null
      ? []
      : [["Refresh token expires", `${duration(lifetime.refresh_idle_s)} after issue or last use`]]),
    ...(lifetime.refresh_absolute_s === null
      ? []
      : [["Refresh token expires", `${duration(lifetime.refresh_absolute_s)} after the consent`]]),
    ...(keep_alive_ms === null ? [] : [["Kept alive by a refresh every", duration(keep_alive_ms / 1000)]]),
    ["PKCE", provider.pkce === "S256" ? "S256" : "Not sent"],
    [
      "Revoked on disconnect",
      revocation.kind === "none"
        ? `No. ${revocation.note}`
        : revocation.kills_grant
          ? "Yes, unless that would end another connection of the same account"
          : "Yes",
    ],
    ["API", provider.hosts.map(({ name, base_url }) => `${name}: \`${base_url}\``).join("<br>")],
  ];
  return ["## Tokens", table(["", ""], rows)];
}

function departures({ deviations, client_id_param, token_body, api_auth }: Provider): readonly string[] {
  const rows = [
    ...deviations.map(({ name, rfc }) => [`\`${name}\``, rfc]),
    ...(client_id_param === "client_id" ? [] : [[`client id named \`${client_id_param}\``, "RFC 6749 §2.2"]]),
    ...(token_body === "form" ? [] : [["token request as JSON", "RFC 6749 §4.1.3"]]),
    ...(api_auth.scheme === "Bearer" ? [] : [["access token without the word Bearer", "RFC 6750 §2.1"]]),
  ];
  return rows.length === 0 ? [] : ["## Departures from the RFCs", table(["Departure", "RFC section"], rows)];
}

function overview(all: readonly Provider[]): string {
  const rows = all.map((provider) => [
    `[${provider.display_name}](${provider.id}.md)`,
    `\`${provider.id}\``,
    provider.description,
    String(provider.unverified.length),
  ]);
  return document(
    NOTE,
    "# Services",
    `${all.length} services. None has been tested with a real vendor account. Each page lists its sources and what is not verified. [Differences](differences.md) lists where sources disagree. To add your own service, write a JSON file that follows [this schema](../provider.schema.json).`,
    table(["Service", "Id", "Description", "Not verified"], rows),
  );
}

function differences(): string {
  const rows = DIFFERENCES.map(({ providers: ids, point, sources, choice }) => [
    ids.length > 5 ? `${ids.length} services (${vendorsOf(ids)})` : ids.map((id) => `[${id}](${id}.md)`).join(", "),
    point,
    sources,
    choice,
  ]);
  return document(
    NOTE,
    "# Where sources disagree",
    "Each point on which vendor pages, vendor SDKs, other catalogs and public code differ, and the choice this catalog made.",
    table(["Service", "Point", "Sources", "Choice"], rows),
  );
}

const vendorsOf = (ids: readonly string[]): string =>
  [...new Set(ids.map((id) => providers.get(id)?.vendor ?? id))].join(", ");

function listSection(title: string, lines: readonly string[], intro?: string): readonly string[] {
  if (lines.length === 0) return [];
  return [`## ${title}`, ...(intro === undefined ? [] : [intro]), lines.map((line) => `- ${line}`).join("\n")];
}

/** An unescaped bar in a cell would start another cell. */
const cell = (text: string): string => text.replaceAll("|", "\\|");

/** Formats a table as the formatter would: with padded columns. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((cells) => cells.map(cell));
  const widths = head.map((_name, column) => Math.max(3, ...lines.map((cells) => (cells[column] ?? "").length)));
  const padded = lines.map((cells) => cells.map((text, column) => text.padEnd(widths[column] ?? 0)));
  const [first = [], ...rest] = padded;
  const bars = widths.map((width) => "-".repeat(width));
  return [first, bars, ...rest].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const document = (...blocks: readonly string[]): string => `${blocks.join("\n\n")}\n`;

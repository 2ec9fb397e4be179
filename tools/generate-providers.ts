/**
 * The pages about services, from the catalog: docs/providers/<id>.md, README.md and differences.md, and the JSON schema of
 * operators' own services. Pure: returns texts by path, and leaves writing to its caller.
 */
import { keepAliveInterval_ms } from "../packages/server/src/providers/lifetime.ts";
import { providers } from "../packages/server/src/providers/index.ts";
import type { Provider } from "../packages/server/src/providers/provider.ts";
import { ProviderSchema } from "../packages/server/src/providers/schema.ts";
import { DIFFERENCES } from "./provider-differences.ts";

const FOLDER = "docs/providers";
const NOTE = "<!-- Generated from the catalog by `npm run generate`. Change packages/server/src/providers instead. -->";

/** Path below the repository's root -> text. */
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

/** Lists of texts that fit stand on one line, as the formatter would have them. */
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
    ...listed("What people run into", provider.traps),
    ...departures(provider),
    ...listed(
      "Sources",
      provider.sources.map((url) => `<${url}>`),
    ),
    ...listed(
      "Not verified",
      provider.unverified,
      "Read from memory, from one source or from reports, with what would settle each:",
    ),
  );
}

function registration({ id, vendor, registration: { url, notes }, https_redirect_only }: Provider): readonly string[] {
  const steps = [
    `Open <${url}>.`,
    `Set the redirect URI to \`<public URL>/api/external-auth/callback/${vendor}\`, letter by letter.${
      https_redirect_only ? " It must be https: this vendor refuses plain http, on localhost too." : ""
    }`,
    ...notes,
    `Then: \`holdfast clients set ${id} --client-id ID --client-secret-stdin\`.`,
  ];
  return ["## Register an OAuth client", steps.map((step, index) => `${index + 1}. ${step}`).join("\n")];
}

function scopes(provider: Provider): readonly string[] {
  if (provider.scope_param === null) {
    return ["## Scopes", "None: what a connection may do is decided by the app's settings or on the consent screen."];
  }
  const { default_scopes, required_scopes } = provider;
  const listedScopes = provider.common_scopes.map(({ scope, meaning }) => [`\`${scope}\``, meaning]);
  const named = (list: readonly string[]) =>
    list.length === 0 ? "none" : list.map((scope) => `\`${scope}\``).join(", ");
  return [
    "## Scopes",
    `Asked for when an app declares none: ${named(default_scopes)}.\nAdded to every consent: ${named(required_scopes)}.`,
    ...(listedScopes.length === 0 ? [] : [table(["Scope", "Allows"], listedScopes)]),
  ];
}

function settings({ config_fields, derived_config }: Provider): readonly string[] {
  const asked = config_fields.map((field) => [
    `\`${field.name}\``,
    field.display_name,
    field.description,
    field.required ? "yes" : field.default === null ? "no" : `no, \`${field.default}\` if left out`,
    `\`${field.placeholder}\``,
  ]);
  const derived = derived_config.map(({ name, from }) => [`\`${name}\``, FROM[from]]);
  return [
    ...(asked.length === 0
      ? []
      : ["## Settings of a connection", table(["Name", "Label", "What it is", "Required", "Example"], asked)]),
    ...(derived.length === 0
      ? []
      : [
          "## Values that the vendor names",
          "Handed to callers in `connectionConfig`, beside the settings.",
          table(["Name", "Taken from"], derived),
        ]),
  ];
}

const FROM = {
  token: "the token answer",
  identity: "the call that names the account",
  id_token: "the id_token",
  callback: "the redirect",
} as const;

function tokens(provider: Provider): readonly string[] {
  const { lifetime, revocation } = provider;
  const keep_alive_ms = keepAliveInterval_ms(provider);
  const rows = [
    [
      "Access token",
      lifetime.access_s === null ? "no end is announced" : `${duration(lifetime.access_s)} if the answer says nothing`,
    ],
    ["Refresh", REFRESH[lifetime.refresh.kind === "rotates" ? lifetime.refresh.reuse : lifetime.refresh.kind]],
    ...(lifetime.refresh_idle_s === null
      ? []
      : [["Refresh token ends", `${duration(lifetime.refresh_idle_s)} after its issue or last use`]]),
    ...(lifetime.refresh_absolute_s === null
      ? []
      : [["Refresh token ends", `${duration(lifetime.refresh_absolute_s)} after the consent`]]),
    ...(keep_alive_ms === null ? [] : [["Kept alive by a use every", duration(keep_alive_ms / 1000)]]),
    ["PKCE", provider.pkce === "S256" ? "S256" : "not sent"],
    [
      "Revoked when disconnected",
      revocation.kind === "none"
        ? `no. ${revocation.note}`
        : revocation.kills_grant
          ? "yes, unless another connection of the same account would end with it"
          : "yes",
    ],
    ["API", provider.hosts.map(({ name, base_url }) => `${name}: \`${base_url}\``).join("<br>")],
  ];
  return ["## Tokens", table(["", ""], rows)];
}

const REFRESH = {
  none: "none: a person consents again when the token ends",
  stays: "the refresh token stays the same, or its predecessor stays good",
  remint: "none needed: each access token is made anew from the installation",
  grace: "each refresh replaces the refresh token; the old one works on for a while",
  strict: "each refresh token is used once",
} as const;

function departures({ deviations, client_id_param, token_body, api_auth }: Provider): readonly string[] {
  const rows = [
    ...deviations.map(({ name, rfc }) => [`\`${name}\``, rfc]),
    ...(client_id_param === "client_id" ? [] : [[`client id named \`${client_id_param}\``, "RFC 6749 §2.2"]]),
    ...(token_body === "form" ? [] : [["token request as JSON", "RFC 6749 §4.1.3"]]),
    ...(api_auth.scheme === "Bearer" ? [] : [["access token without the word Bearer", "RFC 6750 §2.1"]]),
  ];
  return rows.length === 0 ? [] : ["## Departures from the RFCs", table(["What", "From"], rows)];
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
    `${all.length} services. Nothing here was tried against a vendor with a real account: what was read, when and where stands on each page, and so does what was not verified. Where sources disagree: [differences](differences.md). Services of your own are JSON files that follow [this schema](../provider.schema.json).`,
    table(["Service", "Id", "What", "Not verified"], rows),
  );
}

function differences(): string {
  const rows = DIFFERENCES.map(({ providers: ids, point, said, taken }) => [
    ids.length > 4 ? `${ids.length} ${vendorsOf(ids)} services` : ids.map((id) => `[${id}](${id}.md)`).join(", "),
    point,
    said,
    taken,
  ]);
  return document(
    NOTE,
    "# Where sources disagree",
    "Each point on which vendor pages, their SDKs, other catalogs and public code differ, and what this catalog does about it.",
    table(["Service", "Point", "What is said", "What is done here"], rows),
  );
}

const vendorsOf = (ids: readonly string[]): string =>
  [...new Set(ids.map((id) => providers.get(id)?.vendor ?? id))].join(" and ");

function listed(title: string, lines: readonly string[], before?: string): readonly string[] {
  if (lines.length === 0) return [];
  return [`## ${title}`, ...(before === undefined ? [] : [before]), lines.map((line) => `- ${line}`).join("\n")];
}

/** A bar in a cell would open another one. */
const cell = (text: string): string => text.replaceAll("|", "\\|");

/** Columns are padded to one width, as the formatter would. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((cells) => cells.map(cell));
  const widths = head.map((_name, column) => Math.max(3, ...lines.map((cells) => (cells[column] ?? "").length)));
  const padded = lines.map((cells) => cells.map((text, column) => text.padEnd(widths[column] ?? 0)));
  const [first = [], ...rest] = padded;
  const bars = widths.map((width) => "-".repeat(width));
  return [first, bars, ...rest].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const document = (...blocks: readonly string[]): string => `${blocks.join("\n\n")}\n`;

function duration(seconds: number): string {
  const units = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ] as const;
  const [size, unit] = units.find(([length]) => seconds >= length * 2 || seconds === length) ?? [1, "second"];
  const count = Math.round((seconds / size) * 10) / 10;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

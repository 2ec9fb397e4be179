/**
 * The HTML pages: consent, errors, start page. Plain HTML without scripts. All text is escaped
 * here.
 */
import { MODES } from "../modes.ts";
import type { HostMatch, ScopeList, Vendor } from "../types.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escapeHtml = (value: string): string => value.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? "");

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1c2430}
fieldset{border:1px solid #99a;border-radius:6px;margin:1rem 0}label{display:block;padding:.2rem 0}
button{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}table{border-collapse:collapse}
td,th{border-bottom:1px solid #ccd;padding:.25rem .75rem .25rem 0;text-align:left;vertical-align:top}
.note{background:#fff4d6;padding:.5rem .75rem;border-radius:6px}
@media (prefers-color-scheme:dark){body{background:#151a21;color:#e6eaf0}.note{background:#4a3b10}}`;

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`;
}

export interface ConsentPage {
  readonly vendor: Vendor;
  readonly client_id: string;
  readonly redirect_uri: string;
  /** The form's target: the authorization URL itself. */
  readonly action: string;
  readonly account: string;
  readonly lists: readonly { readonly list: ScopeList; readonly scopes: readonly string[] }[];
}

function scopeBoxes({ list, scopes }: ConsentPage["lists"][number]): string {
  if (scopes.length === 0) return "";
  const boxes = scopes.map((scope) => {
    const value = escapeHtml(scope);
    return `<label><input type="checkbox" name="${escapeHtml(list.param)}" value="${value}" checked> ${value}</label>`;
  });
  return `<fieldset><legend>Allow (${escapeHtml(list.label)})</legend>${boxes.join("")}</fieldset>`;
}

export function consentPage(consent: ConsentPage): string {
  const name = `Simulated ${consent.vendor.name}`;
  return page(
    name,
    `<p class="note">This is a simulation. No account at ${escapeHtml(consent.vendor.name)} is touched.</p>
<p>The application <strong>${escapeHtml(consent.client_id)}</strong> requests access. The result goes to
<code>${escapeHtml(consent.redirect_uri)}</code>.</p>
<form method="post" action="${escapeHtml(consent.action)}"><input type="hidden" name="granular" value="1">
<label>Account <input type="text" name="account" value="${escapeHtml(consent.account)}" autocomplete="off" required></label>
<p><small><code>name</code>, or <code>name@org</code> for another team, workspace or organization.</small></p>
${consent.lists.map(scopeBoxes).join("")}
<button type="submit" name="decision" value="approve">Approve</button>
<button type="submit" name="decision" value="deny">Deny</button></form>`,
  );
}

export function errorPage(title: string, description: string): string {
  return page(title, `<p>${escapeHtml(description)}</p>`);
}

const hostText = (match: HostMatch): string => (typeof match === "string" ? match : String(match));

function vendorRow(vendor: Vendor): string {
  const hosts = new Set(
    [vendor.authorize, vendor.token, ...vendor.routes].flatMap((endpoint) => endpoint.hosts.map(hostText)),
  );
  const cells = [vendor.name, vendor.serves.join(", "), [...hosts].join(", ")];
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`;
}

export function startPage(vendors: readonly Vendor[]): string {
  const modes = Object.entries(MODES).map(
    ([name, { about }]) => `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(about)}</td></tr>`,
  );
  return page(
    "Holdfast simulator",
    `<p>Simulated OAuth services. <code>https://HOST/PATH</code> is served here at <code>/HOST/PATH</code>.
Any client id works. Its secret is <code>secret-of-</code> followed by the client id.</p>
<p><a href="/_ledger">Ledger</a> of everything seen so far. <a href="/_state">State</a> that API calls left.</p>
<h2>Services</h2><table><tr><th>Service</th><th>Types</th><th>Hosts</th></tr>${vendors.map(vendorRow).join("")}</table>
<h2>Modes</h2><p>Select modes by client id, e.g. <code>sim-rotate+slow-10s</code>, or with <code>POST /_mode</code>.</p>
<table><tr><th>Mode</th><th>Effect</th></tr>${modes.join("")}</table>`,
  );
}

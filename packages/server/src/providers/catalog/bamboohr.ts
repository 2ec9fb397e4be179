/**
 * BambooHR. https://documentation.bamboohr.com/docs/getting-started (checked 2026-11-23)
 *
 * Follows RFC 6749, at one host per company. Based on public knowledge. No vendor page was
 * consulted.
 */
import { defineProvider } from "../provider.ts";

const SITE = "https://{company_domain}.bamboohr.com";
/** Employee 0 is the owner of the token. */
const self = { method: "GET", url: `${SITE}/api/v1/employees/0?fields=firstName,workEmail` } as const;

export const bamboohr = defineProvider({
  id: "bamboohr",
  display_name: "BambooHR",
  description: "Employees, time off and company reports.",
  vendor: "bamboohr",
  docs_url: "https://documentation.bamboohr.com/docs/getting-started",
  registration: {
    url: "https://developers.bamboohr.com/",
    notes: ["Register an application in the developer portal, then add the redirect URI and the scopes to it."],
  },
  traps: ["A token sees only what the user's access level in BambooHR allows, regardless of its scopes."],
  authorization_url: `${SITE}/authorize.php?request=authorize`,
  token_url: `${SITE}/token.php?request=token`,
  client_auth: "client_secret_post",
  default_scopes: ["employee"],
  // offline_access: returns a refresh token.
  required_scopes: ["openid", "email", "offline_access"],
  common_scopes: [
    { scope: "employee", meaning: "basic data of employees" },
    { scope: "employee:contact", meaning: "contact data" },
    { scope: "employee:job", meaning: "job data" },
    { scope: "employee_directory", meaning: "the company directory" },
    { scope: "time_off", meaning: "time off" },
    { scope: "report", meaning: "reports" },
    { scope: "company:info", meaning: "company data" },
    { scope: "webhooks", meaning: "webhooks" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  config_fields: [
    {
      name: "company_domain",
      display_name: "BambooHR company domain",
      description: "The part before .bamboohr.com in your BambooHR address.",
      placeholder: "acme",
      required: true,
      default: null,
      pattern: "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
      validation_error: "Enter only the part before .bamboohr.com, such as acme.",
    },
  ],
  identity: { from: "request", request: self, account: { id: "id", label: "firstName", email: "workEmail" } },
  health: self,
  revocation: { kind: "none", note: "Users revoke access on their account page in BambooHR." },
  hosts: [{ name: "api", base_url: `${SITE}/api/v1` }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://documentation.bamboohr.com/docs/getting-started"],
  unverified: [
    "authorization_url, token_url, client_auth: from public knowledge, not from the vendor; complete one consent",
    "common_scopes, required_scopes: names from public knowledge; complete one consent with each",
    "lifetime: from public knowledge; get one token, refresh it once, and send one refresh token twice",
    "identity, health: path and fields from memory; make one call as a user without an employee record",
    "pkce, revocation: no documentation found; send a wrong verifier, and ask the vendor",
  ],
});

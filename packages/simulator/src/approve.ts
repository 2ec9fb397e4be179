/**
 * Acts as the user: opens an authorization URL of the simulator and submits its consent form.
 *
 * Needs only `fetch`, so it also works from another process than the simulator's.
 */

export interface Consent {
  /** Default `approve`. */
  readonly decision?: "approve" | "deny";
  /** `name` or `name@org`. Default `ada`. */
  readonly account?: string;
  /** The scopes left checked, in any list. Default: all that were requested. */
  readonly scopes?: readonly string[];
}

/**
 * The scope parameters in use. A checked scope is sent under each, and counts where it was
 * requested.
 */
const SCOPE_FIELDS = ["scope", "user_scope"];

function formOf(consent: Consent): URLSearchParams {
  const form = new URLSearchParams({ decision: consent.decision ?? "approve" });
  if (consent.account !== undefined) form.set("account", consent.account);
  if (consent.scopes === undefined) return form;
  form.set("granular", "1");
  for (const scope of consent.scopes) for (const field of SCOPE_FIELDS) form.append(field, scope);
  return form;
}

/**
 * Consents at the simulator and returns the callback URL, which the user's browser would open next.
 * @param authorize_url at the simulator: `http://127.0.0.1:PORT/HOST/PATH?...`
 * @throws Error with the simulator's page when it shows an error instead.
 */
export async function approveConsent(authorize_url: string, consent: Consent = {}): Promise<string> {
  const page = await fetch(authorize_url, { redirect: "manual" });
  const next = page.headers.get("location");
  if (next !== null) {
    // Another page of the simulator (mode `hop`), or already the callback with an error.
    return new URL(next).searchParams.has("sim_hop") ? approveConsent(next, consent) : next;
  }
  if (!page.ok) throw new Error(`The simulator refused the authorization request: ${await page.text()}`);
  const reply = await fetch(authorize_url, { method: "POST", body: formOf(consent), redirect: "manual" });
  const location = reply.headers.get("location");
  if (location === null) throw new Error(`The simulator refused the consent: ${await reply.text()}`);
  return location;
}

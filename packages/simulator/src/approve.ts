/**
 * Plays the person: opens an authorization URL of the simulator and answers its consent form.
 *
 * Needs `fetch` only, so it also works from another process than the simulator's.
 */

export interface Consent {
  /** Default `approve`. */
  readonly decision?: "approve" | "deny";
  /** `name` or `name@org`; default `ada`. */
  readonly account?: string;
  /** The scopes left ticked, whatever their list; default all that were asked. */
  readonly scopes?: readonly string[];
}

/** The names of scope parameters in use; a ticked scope is sent under each, and taken where it was asked. */
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
 * @param authorize_url at the simulator: `http://127.0.0.1:PORT/HOST/PATH?...`
 * @returns the callback URL, which the person's browser would open next.
 * @throws Error with the simulator's words when it shows an error page instead.
 */
export async function approveConsent(authorize_url: string, consent: Consent = {}): Promise<string> {
  const page = await fetch(authorize_url, { redirect: "manual" });
  const onward = page.headers.get("location");
  if (onward !== null) {
    // Another page of the simulator (mode `hop`), or already the callback with an error.
    return new URL(onward).searchParams.has("sim_hop") ? approveConsent(onward, consent) : onward;
  }
  if (!page.ok) throw new Error(`The simulator refused the authorization request: ${await page.text()}`);
  const reply = await fetch(authorize_url, { method: "POST", body: formOf(consent), redirect: "manual" });
  const location = reply.headers.get("location");
  if (location === null) throw new Error(`The simulator refused the consent: ${await reply.text()}`);
  return location;
}

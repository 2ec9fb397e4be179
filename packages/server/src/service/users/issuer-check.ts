/**
 * Tries an issuer once, before it is stored: a mistyped address would otherwise show only when its
 * users cannot sign in.
 */
import { CodedError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { fetchKeys } from "./issuer-keys.ts";
import { getFrom } from "./issuer-request.ts";
import type { NewIssuer } from "./issuers.ts";
import type { IssuerDeps } from "./types.ts";

/** @throws CodedError `issuer_unusable` */
export async function tryIssuer(deps: IssuerDeps, issuer: NewIssuer): Promise<void> {
  const problem = issuer.kind === "verify" ? await verifierProblem(deps, issuer) : await keysProblem(deps, issuer);
  if (problem === null) return;
  const advice = "Nothing was stored. If it is not up yet, add it with --skip-check (skip_check over HTTP).";
  throw new CodedError("issuer_unusable", { message: `The issuer cannot be used: ${problem}. ${advice}` });
}

async function keysProblem(deps: IssuerDeps, issuer: NewIssuer): Promise<string | null> {
  if (issuer.kind === "secret") return null;
  const fetched = await fetchKeys(deps, issuer);
  if (fetched.kind === "unavailable") return describe(fetched.reason);
  const is_empty = fetched.kind === "public" && fetched.keys.jwks().keys.length === 0;
  return is_empty ? "its key set has no keys" : null;
}

/** Sends a token that no issuer knows, which the URL must refuse. */
async function verifierProblem(deps: IssuerDeps, { url }: NewIssuer): Promise<string | null> {
  const reply = await getFrom(deps, url ?? "", { authorization: `Bearer ${randomToken()}` });
  if (reply.kind === "unavailable") return describe(reply.reason);
  const { status, body } = reply;
  if (status === 200 && body?.["active"] !== false) return "its verify URL accepted a made-up token";
  const is_refusal = status === 200 || (status >= 400 && status < 500 && ![404, 405, 408, 429].includes(status));
  return is_refusal ? null : `its verify URL replied ${status} to a made-up token, not 401`;
}

const WHAT: Readonly<Record<string, string>> = {
  discovery: "its discovery document (/.well-known/openid-configuration) cannot be read: status",
  key_set: "its key set cannot be read: status",
};

/** Returns a reason from the log in words for a builder. */
function describe(reason: string): string {
  if (reason === "address_refused")
    return "its host is in a private network, which this server never contacts for an app";
  if (reason === "discovery_issuer") return "its discovery document names another issuer, or no key set";
  const [, name = "", status] = /^(discovery|key_set)_(\d+)$/.exec(reason) ?? [];
  const what = WHAT[name];
  return what === undefined ? `it does not respond (${reason})` : `${what} ${status}`;
}

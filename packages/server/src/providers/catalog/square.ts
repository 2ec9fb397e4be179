/**
 * Square. https://developer.squareup.com/docs/oauth-api/overview (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §4.1.3 (the token request is JSON) and §5.1 (`expires_at` instead of
 * `expires_in`, so the usual 30 days are assumed). Departs from RFC 7009: revocation is a request
 * of a different form, with the client secret as its credential. The refresh token of the code flow
 * stays the same. Based on public knowledge. No vendor page was consulted.
 */
import { defineProvider } from "../provider.ts";

const HOST = "https://connect.squareup.com";
const merchant = { method: "GET", url: `${HOST}/v2/merchants/me` } as const;

export const square = defineProvider({
  id: "square",
  display_name: "Square",
  description: "Payments, orders, catalog and customers of a seller.",
  vendor: "square",
  docs_url: "https://developer.squareup.com/docs/oauth-api/overview",
  registration: {
    url: "https://developer.squareup.com/apps",
    notes: [
      "Use the production application id and secret. Set the redirect URI on the app's OAuth page. Each app has one.",
    ],
  },
  traps: [
    "A revoked grant and a wrong client secret get the same response. A connection is retried for four days before it ends.",
    "Square asks clients to refresh tokens at least every seven days, well before they expire.",
    "Sandbox applications use another host (connect.squareupsandbox.com) and are not covered.",
  ],
  authorization_url: `${HOST}/oauth2/authorize`,
  token_url: `${HOST}/oauth2/token`,
  client_auth: "client_secret_post",
  token_body: "json",
  default_scopes: ["ORDERS_READ", "ITEMS_READ"],
  // The account is read from merchants/me.
  required_scopes: ["MERCHANT_PROFILE_READ"],
  common_scopes: [
    { scope: "MERCHANT_PROFILE_READ", meaning: "the seller's business and locations" },
    { scope: "PAYMENTS_READ", meaning: "read payments" },
    { scope: "PAYMENTS_WRITE", meaning: "take payments" },
    { scope: "ORDERS_READ", meaning: "read orders" },
    { scope: "ORDERS_WRITE", meaning: "create and change orders" },
    { scope: "ITEMS_READ", meaning: "read the catalog" },
    { scope: "ITEMS_WRITE", meaning: "change the catalog" },
    { scope: "CUSTOMERS_READ", meaning: "read customers" },
    { scope: "CUSTOMERS_WRITE", meaning: "change customers" },
    { scope: "INVENTORY_READ", meaning: "read stock" },
  ],
  authorization_params: { session: "false" },
  // PKCE is a separate flow, with single-use refresh tokens and without the secret.
  pkce: "none",
  lifetime: {
    access_s: 2_592_000,
    refresh: { kind: "stays" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [{ name: "merchant_id", from: "token", path: "merchant_id", pattern: "^[A-Z0-9]{5,32}$" }],
  identity: {
    from: "request",
    request: merchant,
    account: { id: "merchant.id", label: "merchant.business_name", email: null },
  },
  health: merchant,
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: `${HOST}/oauth2/revoke`,
      auth: "none",
      headers: { authorization: "Client {client_secret}" },
      body: { client_id: "{client_id}", access_token: "{access_token}" },
    },
    kills_grant: true,
  },
  hosts: [{ name: "api", base_url: `${HOST}/v2`, request_headers: ["square-version"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://developer.squareup.com/docs/oauth-api/overview"],
  unverified: [
    "authorization_url, token_url, token_body: from public knowledge; complete one consent",
    "lifetime: from public knowledge; make one exchange, and send one refresh token twice",
    "revocation: that all tokens of the seller are revoked; revoke one of two and call both",
    "errors: whether anything distinguishes a revoked grant from a wrong secret; send each",
    "common_scopes, identity: names from public knowledge; complete one consent and make one call",
  ],
});

/**
 * Hugging Face. https://huggingface.co/docs/hub/oauth
 *
 * Quirks: OpenID Connect, with an id_token for `openid`. Access tokens expire after eight hours.
 * PKCE is accepted, not required. Unverified: rotation (assumed single-use), the lifetime of
 * refresh tokens, error shapes. No revocation found.
 */
import { signIdToken } from "../engine/oauth/id-token.ts";
import type { Account, IssueContext, JsonObject } from "../engine/types.ts";
import { person, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://huggingface.co/docs/hub/oauth";
const HOSTS = ["huggingface.co"];

const denied = denyWith((problem) => ({
  error: problem === "scope" ? "Your token doesn't have the needed permissions" : "Invalid username or password.",
}));

const api = defineApi({ hosts: HOSTS, denied });

const profile = (account: Account, scopes: readonly string[]): JsonObject => ({
  sub: stableId("hugging face", account.email, 24).toLowerCase(),
  name: person(account).full,
  preferred_username: account.name,
  profile: `https://huggingface.co/${account.name}`,
  picture: "https://huggingface.co/avatars/none.svg",
  email: scopes.includes("email") ? account.email : undefined,
  email_verified: scopes.includes("email") ? true : undefined,
  isPro: false,
  orgs: [],
});

function successBody(context: IssueContext): JsonObject {
  const { issued, account, client_id, now, nonce } = context;
  const scopes = issued[0]?.scopes ?? [];
  const iat = Math.floor(now / 1000);
  const claims = { iss: "https://huggingface.co", aud: client_id, nonce, iat, exp: iat + 3600 };
  return {
    ...tokenBody(context, " "),
    id_token: scopes.includes("openid") ? signIdToken({ ...claims, ...profile(account, scopes) }) : undefined,
  };
}

export const huggingFace = defineVendor({
  id: "hugging_face",
  name: "Hugging Face",
  capabilities: capabilitiesOf(DOCS, {
    revoke: unsupported("https://huggingface.co/.well-known/openid-configuration"),
  }),
  authorize: {
    hosts: HOSTS,
    path: "/oauth/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "supported",
  },
  token: {
    hosts: HOSTS,
    path: "/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(28_800, { rotates: true }),
    newAccessToken: () => `hf_oauth_${randomId(120)}`,
    newRefreshToken: () => `hf_refresh_${randomId(60)}`,
    successBody,
  },
  routes: [
    api("GET", "identity", "/oauth/userinfo", ({ account, scopes }) => profile(account, scopes), ["openid", "profile"]),
    api("GET", "resource", "/api/whoami-v2", ({ account, scopes }) => ({
      type: "user",
      id: stableId("hugging face", account.email, 24).toLowerCase(),
      name: account.name,
      fullname: person(account).full,
      email: scopes.includes("email") ? account.email : undefined,
      orgs: [],
      auth: { type: "oauth" },
    })),
  ],
});

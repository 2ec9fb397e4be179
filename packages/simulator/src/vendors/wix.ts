/**
 * Wix.
 * https://dev.wix.com/docs/build-apps/develop-your-app/access/authentication/authenticate-using-oauth
 *
 * Quirks:
 * - The user installs an app, and there is no code. The callback has `instanceId` and
 *   `signedInstance` (`HMAC-SHA256 of data in base64url . data in base64url`, with the app's
 *   secret).
 * - State is part of the return address. At the older installer it is a parameter.
 * - Client credentials with `instance_id`, in JSON, return a token of four hours, any number of
 *   times. Tokens are neither refreshed nor revoked: the site owner uninstalls the app.
 * - API calls carry the raw token.
 *
 * Unverified: the callback's parameter names (from public integrations), error texts, the callback
 * of a denied installation (here `error=access_denied`).
 */
import { createHmac } from "node:crypto";
import { json } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import type { Account, ConsentContext, Incoming, OpenRoute, Reply, RouteContext } from "../engine/types.ts";
import { orgName, randomId, stableUuid } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://dev.wix.com/docs/build-apps/develop-your-app/access/authentication/about-oauth.md";
const REST = "https://dev.wix.com/docs/rest/app-management/oauth-2/introduction";
const API = ["www.wixapis.com"];

const instanceId = ({ email }: Account, client_id: string): string =>
  stableUuid("wix instance", `${email} ${client_id}`);
const siteId = ({ org }: Account): string => stableUuid("wix site", org);

function signed({ account, client_id, client_secret, now }: ConsentContext): string {
  const claims = {
    instanceId: instanceId(account, client_id),
    appDefId: client_id,
    signDate: new Date(now).toISOString(),
    uid: stableUuid("wix user", account.email),
    permissions: "OWNER",
    demoMode: false,
    siteOwnerId: stableUuid("wix owner", account.org),
  };
  const data = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${createHmac("sha256", client_secret).update(data).digest("base64url")}.${data}`;
}

/** Returns the raw token. The prefix `Bearer` is accepted, too. */
const presented = ({ headers }: Incoming): string | null =>
  /^(?:bearer +)?(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? null;

const denied = denyWith((problem) => ({
  message: problem === "scope" ? "PERMISSION_DENIED" : "UNAUTHENTICATED",
  details: {},
}));

const api = defineApi({ hosts: API, denied, presented });

function tokenInfo({ incoming, inspect, now }: RouteContext): Reply {
  const caller = inspect(incoming.fields.get("token") ?? "");
  if (caller === null) return json(200, { active: false });
  const { grant_id, client_id, account, expires_in } = caller;
  const exp = String(Math.floor(now / 1000) + (expires_in ?? 0));
  const subject = { subjectType: "APP", subjectId: client_id, exp, clientId: client_id };
  return json(200, { active: true, ...subject, instanceId: grant_id, siteId: siteId(account) });
}

const info: OpenRoute = {
  hosts: API,
  method: "POST",
  path: "/oauth2/token-info",
  kind: "other",
  auth: "none",
  handle: tokenInfo,
};

const badInstance = (words: string) => spec(400, "invalid_request", words);

export const wix = defineVendor({
  id: "wix",
  name: "Wix",
  capabilities: capabilitiesOf(DOCS, {
    refresh: REST,
    rotate: unsupported(REST),
    revoke: unsupported(DOCS),
    identity: REST,
    health: REST,
  }),
  authorize: {
    hosts: ["www.wix.com"],
    path: ["/app-installer", "/installer/install"],
    names: { client_id: "appId", redirect_uri: ["postInstallationUrl", "redirectUrl"] },
    redirect_query_ignored: true,
    callback: (context) => ({
      appId: context.client_id,
      tenantId: siteId(context.account),
      instanceId: instanceId(context.account, context.client_id),
      signedInstance: signed(context),
    }),
  },
  token: {
    hosts: API,
    path: "/oauth2/token",
    body: ["json"],
    installation: { field: "instance_id", id: instanceId },
    life: expiring(14_400),
    errors: errorTable({
      bad_refresh: badInstance("The app is not installed: unknown instance_id."),
      revoked_refresh: badInstance("The app is not installed: it was removed from the site."),
    }),
    newAccessToken: () => `OAuthNG.JWS.${randomId(40)}.${randomId(300)}.${randomId(64)}`,
    successBody: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    info,
    api("GET", "identity", "/apps/v1/instance", ({ account, grant_id }) => ({
      instance: { instanceId: grant_id, appName: "Holdfast", appVersion: "1.0.0", isFree: true, permissions: [] },
      site: {
        siteId: siteId(account),
        siteDisplayName: orgName(account),
        locale: "en",
        ownerInfo: { email: account.email, emailStatus: "VERIFIED_OPT_IN" },
      },
    })),
    api("GET", "resource", "/site-properties/v4/properties", ({ account }) => ({
      version: "1",
      properties: { siteDisplayName: orgName(account), language: "en", email: account.email },
    })),
  ],
});

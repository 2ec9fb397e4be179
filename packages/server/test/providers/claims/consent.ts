/** The consent: its request, its denial, and the scopes and account it yields. */
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { throughGateway } from "../../../src/net/gateway.ts";
import type { Provider } from "../../../src/providers/provider.ts";
import { fillTemplate } from "../../../src/providers/template.ts";
import { effectiveScopes } from "../../../src/service/consent/declaration.ts";
import type { TestApp } from "../../support/server.ts";
import { recordCapability } from "../capability-table.ts";
import { configFor, grantedScopes, type Subject } from "../subject.ts";
import { listsScopes } from "../vendor-responses.ts";

/**
 * Returns the parameters of RFC 6749 §4.1.1 and RFC 7636 §4.3, or those of an app installation,
 * under the definition's names.
 */
function expectedParameters(provider: Provider, client_id: string): object {
  const { flow } = provider;
  const text: unknown = expect.any(String);
  if (flow.kind === "app_install") return { [flow.app_id_param]: client_id, [flow.return_param]: text };
  const scopes = effectiveScopes(provider, []);
  const { scope_param, scope_separator } = provider;
  return {
    ...provider.authorization_params,
    ...(scope_param === null || scopes.length === 0 ? {} : { [scope_param]: scopes.join(scope_separator) }),
    ...(provider.pkce === "S256" ? { code_challenge: text, code_challenge_method: "S256" } : {}),
    response_type: "code",
    [provider.client_id_param]: client_id,
    redirect_uri: expect.stringMatching(new RegExp(`/api/external-auth/callback/${provider.vendor}$`)) as unknown,
    state: expect.stringMatching(/^[\w-]{43}$/) as unknown,
  };
}

const isPresent = (text: string | null): boolean => text !== null && text !== "";

/** Returns every scope that the catalog lists. */
const declarable = ({ default_scopes, common_scopes }: Provider): readonly string[] => [
  ...new Set([...default_scopes, ...common_scopes.map(({ scope }) => scope)]),
];

async function startConsent({ provider, holdfast }: Subject, app: TestApp) {
  const body = { scopes: [], connection_config: configFor(provider) };
  const { redirect_url, connection_id } = (await holdfast.initiate(provider.id, body, app)).json;
  const user = await holdfast.signedIn();
  const authorize_url = new URL(await user.start(String(redirect_url)));
  return { user, authorize_url, connection_id: String(connection_id) };
}

function expectAuthorizationRequest({ provider, holdfast, client_id }: Subject, authorize_url: URL): void {
  const address = fillTemplate(provider, provider.authorization_url, configFor(provider));
  const expected = new URL(throughGateway(holdfast.simulator.url, address ?? "https://nowhere.invalid/"));
  expect(authorize_url.origin + authorize_url.pathname).toBe(expected.origin + expected.pathname);
  expect(Object.fromEntries(authorize_url.searchParams)).toMatchObject({
    ...Object.fromEntries(expected.searchParams),
    ...expectedParameters(provider, client_id),
  });
}

async function expectNoConnection({ provider, holdfast }: Subject, app: TestApp, connection_id: string): Promise<void> {
  const query = new URLSearchParams({ integration_type: provider.id, connection_id });
  const path = `/api/apps/${app.app_id}/external-auth`;
  const headers = { api_key: app.api_key };
  const status = await holdfast.request("GET", `${path}/status?${query.toString()}`, { headers });
  expect(status.json).toMatchObject({ status: "FAILED" });
  expect((await holdfast.request("GET", `${path}/list`, { headers })).json).toEqual({ integrations: [] });
  expect(await holdfast.installation.store.findConnection(app.app_id, provider.id)).toBeNull();
  expect((await holdfast.token(provider.id, { app })).code).toBe("not_connected");
}

export function describeConsent(get: () => Subject): void {
  describe("consent", () => {
    it("is requested as the definition says, and leaves nothing behind if denied", async () => {
      const subject = get();
      const app = await subject.holdfast.createApp("denied");
      const { user, authorize_url, connection_id } = await startConsent(subject, app);
      const since = subject.latest();
      expectAuthorizationRequest(subject, authorize_url);

      const page = await user.finish(await approveConsent(authorize_url.href, { decision: "deny" }));
      expect(page.status).toBeLessThan(500);
      expect(subject.requests("authorize", since)).toMatchObject([{ outcome: "ok" }]);
      expect(subject.requests("code_exchange", since)).toEqual([]);
      await expectNoConnection(subject, app, connection_id);
    });

    it("grants the requested scopes", async () => {
      const subject = get();
      const { provider, first } = subject;
      const row = await first.row();
      const requested = effectiveScopes(provider, []);
      expect(row.status).toBe("active");
      expect(row.scopes_requested).toEqual(requested);
      expect(row.scopes_granted).toEqual(expect.arrayContaining([...requested]));
      expect(grantedScopes(subject, first)).toEqual(
        expect.arrayContaining(provider.scope_param === null ? [] : [...requested]),
      );
      expect(await first.entry()).toMatchObject({ status: "active", missing_scopes: [] });
      recordCapability(provider.id, "connect", "yes");
    });

    it("identifies the account, and tells two users apart", async () => {
      const subject = get();
      const { provider, first } = subject;
      const { account } = provider.identity;
      const row = await first.row();
      // Email addresses can need a scope that is not among the defaults.
      const other = await (await subject.connect("grace", [], declarable(provider))).row();
      expect(other.account_id).not.toBe(row.account_id);
      expect([row.account_id, row.account_label].map(isPresent)).toEqual([true, account.label !== null]);
      expect([other.account_label, other.account_email].map(isPresent)).toEqual(
        [account.label, account.email].map(isPresent),
      );
      recordCapability(provider.id, "identity", "yes");
    });

    /** A vendor that does not list the granted scopes granted all of them (RFC 6749 §5.1). */
    it("reports which scopes were not granted", async () => {
      const subject = get();
      const { provider } = subject;
      const declared = declarable(provider);
      const requested = effectiveScopes(provider, declared);
      const link = await subject.connect("partial", ["partial-scopes"], declared);
      const granted = new Set(grantedScopes(subject, link));
      const missing = requested.filter((scope) => !granted.has(scope));
      expect((await link.entry())["missing_scopes"]).toEqual(listsScopes(provider.id) ? missing : []);
    });
  });
}

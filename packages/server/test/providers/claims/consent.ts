/** What a person's consent brings: the request, the refusal, scopes and account. */
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { throughGateway } from "../../../src/net/transport.ts";
import type { Provider } from "../../../src/providers/provider.ts";
import { fillTemplate } from "../../../src/providers/template.ts";
import { effectiveScopes } from "../../../src/service/consent/connect.ts";
import { parseList } from "../../../src/service/grants/grant.ts";
import { note } from "../capability-table.ts";
import { configFor, grantedScopes, type Subject } from "../subject.ts";
import { namesScopes } from "../vendor-answers.ts";

/** RFC 6749 §4.1.1 and RFC 7636 §4.3 under the definition's names; or the parameters of an app's installation. */
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

const isKnown = (text: string | null): boolean => text !== null && text !== "";

/** Every scope that the catalog names. */
const declarable = ({ default_scopes, common_scopes }: Provider): readonly string[] => [
  ...new Set([...default_scopes, ...common_scopes.map(({ scope }) => scope)]),
];

export function describeConsent(get: () => Subject): void {
  describe("consent", () => {
    it("is asked for as the definition says; denied, it leaves nothing behind", async () => {
      const subject = get();
      const { provider, holdfast, client_id } = subject;
      const app = await holdfast.createApp("denied");
      const initiated = await holdfast.initiate(
        provider.id,
        { scopes: [], connection_config: configFor(provider) },
        app,
      );
      const { redirect_url, connection_id } = initiated.json;
      const person = await holdfast.signedIn();
      const authorize_url = new URL(await person.start(String(redirect_url)));
      const since = subject.latest();

      const address = fillTemplate(provider, provider.authorization_url, configFor(provider));
      const expected = new URL(throughGateway(holdfast.simulator.url, address ?? "https://nowhere.invalid/"));
      expect(authorize_url.origin + authorize_url.pathname).toBe(expected.origin + expected.pathname);
      expect(Object.fromEntries(authorize_url.searchParams)).toMatchObject({
        ...Object.fromEntries(expected.searchParams),
        ...expectedParameters(provider, client_id),
      });

      const page = await person.finish(await approveConsent(authorize_url.href, { decision: "deny" }));
      expect(page.status).toBeLessThan(500);
      expect(subject.requests("authorize", since)).toMatchObject([{ outcome: "ok" }]);
      expect(subject.requests("code_exchange", since)).toEqual([]);
      const query = new URLSearchParams({ integration_type: provider.id, connection_id: String(connection_id) });
      const path = `/api/apps/${app.app_id}/external-auth`;
      const headers = { api_key: app.api_key };
      const status = await holdfast.request("GET", `${path}/status?${query.toString()}`, { headers });
      expect(status.json).toMatchObject({ status: "FAILED" });
      expect((await holdfast.request("GET", `${path}/list`, { headers })).json).toEqual({ integrations: [] });
      expect(await holdfast.installation.store.findConnection(app.app_id, provider.id)).toBeNull();
      expect((await holdfast.token(provider.id, { app })).code).toBe("not_connected");
    });

    it("gives the scopes that were asked for", async () => {
      const subject = get();
      const { provider, first } = subject;
      const row = await first.row();
      const asked = effectiveScopes(provider, []);
      expect(row.status).toBe("active");
      expect(parseList(row.scopes_requested)).toEqual(asked);
      expect(parseList(row.scopes_granted)).toEqual(expect.arrayContaining([...asked]));
      expect(grantedScopes(subject, first)).toEqual(
        expect.arrayContaining(provider.scope_param === null ? [] : [...asked]),
      );
      expect(await first.entry()).toMatchObject({ status: "active", missing_scopes: [] });
      note(provider.id, "connect", "yes");
    });

    it("names the account, as another than a stranger's", async () => {
      const subject = get();
      const { provider, first } = subject;
      const { account } = provider.identity;
      const row = await first.row();
      // E-mail addresses may take a scope that is not among the defaults.
      const other = await (await subject.connect("grace", [], declarable(provider))).row();
      expect(other.account_id).not.toBe(row.account_id);
      expect([row.account_id, row.account_label].map(isKnown)).toEqual([true, account.label !== null]);
      expect([other.account_label, other.account_email].map(isKnown)).toEqual(
        [account.label, account.email].map(isKnown),
      );
      note(provider.id, "identity", "yes");
    });

    /** A vendor that does not say what it granted is taken to have granted everything (RFC 6749 §5.1). */
    it("says which scopes were not granted", async () => {
      const subject = get();
      const { provider } = subject;
      const declared = declarable(provider);
      const asked = effectiveScopes(provider, declared);
      const link = await subject.connect("partial", ["partial-scopes"], declared);
      const granted = new Set(grantedScopes(subject, link));
      const refused = asked.filter((scope) => !granted.has(scope));
      expect((await link.entry())["missing_scopes"]).toEqual(namesScopes(provider.id) ? refused : []);
    });
  });
}

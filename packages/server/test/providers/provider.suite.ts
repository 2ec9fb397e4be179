/**
 * The claims that every provider must meet: consent, account, token, refresh, rejection,
 * revocation.
 *
 * A provider is checked against its own definition and the simulated vendor's profile. No claim
 * knows a provider's id, so a new provider needs no line here.
 */
import type { Profile } from "@holdfast/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Provider } from "../../src/providers/provider.ts";
import { describeConsent } from "./claims/consent.ts";
import { describeEnd } from "./claims/end.ts";
import { describeDefaults, describeNoRefresh, describeRefresh } from "./claims/refresh.ts";
import { describeToken } from "./claims/token.ts";
import { declaredModes, openSubject, type Subject } from "./subject.ts";

export function describeProvider(provider: Provider, profile: Profile, options: { tags?: string }): void {
  describe.each([provider])("$id", options, () => {
    let subject: Subject;
    const get = (): Subject => subject;
    const refreshes = provider.lifetime.refresh.kind !== "none";

    beforeAll(async () => {
      subject = await openSubject(provider, profile);
    });
    afterAll(() => subject.close());

    describeConsent(get);
    describeToken(get);
    if (refreshes) describeRefresh(get);
    else describeNoRefresh(get);
    // If the definition assumes the strictest setting of an OAuth client, the others must work as
    // well.
    if (declaredModes(provider).length > 0) describeDefaults(get);
    describeEnd(get);

    it("sends the vendor no cookie and no secret in a query, and follows no redirect", () => {
      expect(subject.simulator.ledger()).toMatchObject({
        cookies_seen: [],
        query_secrets_seen: [],
        redirects_followed: 0,
      });
    });
  });
}

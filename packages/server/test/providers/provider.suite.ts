/**
 * The claims that hold of every provider: consent, account, token, refresh, refusal, revocation. A provider is judged by its
 * own definition and by the simulated vendor's profile; no claim knows an id, so a new provider needs no line here.
 */
import type { Profile } from "@holdfast/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Provider } from "../../src/providers/provider.ts";
import { describeConsent } from "./claims/consent.ts";
import { describeEnd } from "./claims/end.ts";
import { describeDefaults, describeNoRefresh, describeRefresh } from "./claims/refresh.ts";
import { describeToken } from "./claims/token.ts";
import { declaredModes, openSubject, type Subject } from "./subject.ts";

export function describeProvider(provider: Provider, profile: Profile): void {
  describe.each([provider])("$id", () => {
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
    // Where the definition assumes the strictest setting of an OAuth client, the others must work as well.
    if (declaredModes(provider).length > 0) describeDefaults(get);
    describeEnd(get);

    it("leaves no cookie and no stray secret with the vendor, and follows no redirect", () => {
      expect(subject.simulator.ledger()).toMatchObject({
        cookies_seen: [],
        query_secrets_seen: [],
        redirects_followed: 0,
      });
    });
  });
}

/**
 * Must not compile together with `narrowed.ts`: `types.test.ts` expects one error for each marked
 * line, and no other.
 */
import type { HoldfastClient } from "@holdfast/sdk";

export async function use({ asServiceRole: { connectors } }: HoldfastClient): Promise<void> {
  await connectors.getConnection("slakc"); // error
  await connectors.getAccessToken("slakc"); // error
  await connectors.callApi("slakc", { path: "/" }); // error
  await connectors.callApi("slack", { path: "/", method: "get" }); // error
}

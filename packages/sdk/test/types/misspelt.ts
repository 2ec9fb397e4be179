/** With `narrowed.ts` beside it, this must not compile: `types.test.ts` expects one error for each marked line, and no other. */
import type { HoldfastClient } from "@holdfast/sdk";

export async function use({ asServiceRole: { connectors } }: HoldfastClient): Promise<void> {
  await connectors.getConnection("slakc"); // refused
  await connectors.getAccessToken("slakc"); // refused
  await connectors.callApi("slakc", { path: "/" }); // refused
  await connectors.callApi("slack", { path: "/", method: "get" }); // refused
}

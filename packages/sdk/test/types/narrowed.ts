/** A project that declared two integration types. */
import type { ConnectorIntegrationType, HoldfastClient } from "@holdfast/sdk";
import type { Same } from "./same.ts";

declare module "@holdfast/sdk" {
  interface ConnectorIntegrationTypeRegistry {
    slack: true;
    googlecalendar: true;
  }
}

export const fact: Same<ConnectorIntegrationType, "slack" | "googlecalendar"> = true;

export async function use(client: HoldfastClient): Promise<void> {
  const { connectors } = client.asServiceRole;
  await connectors.getConnection("slack");
  await connectors.callApi("googlecalendar", { path: "/" });
  await connectors.getWorkspaceConnection("any id");
}

/**
 * A project that declared nothing: any integration type compiles, and results have the documented
 * types.
 */
import type * as sdk from "@holdfast/sdk";
import type { Same } from "./same.ts";

type Call<K extends keyof sdk.ConnectorsModule> = Awaited<ReturnType<sdk.ConnectorsModule[K]>>;

export const facts: [
  Same<sdk.ConnectorIntegrationType, string>,
  Same<Call<"getConnection">, sdk.ConnectorConnectionResponse>,
  Same<Call<"getAccessToken">, string>,
  Same<Call<"callApi">, sdk.ConnectorApiResponse>,
  Same<sdk.ConnectorConnectionResponse["connectionConfig"], Readonly<Record<string, string>> | null>,
  Same<Awaited<ReturnType<sdk.UserConnectorsModule["disconnectAppUser"]>>, void>,
] = [true, true, true, true, true, true];

export async function use(client: sdk.HoldfastClient): Promise<number | undefined> {
  await client.asServiceRole.connectors.getConnection("slakc");
  const { data } = await client.asServiceRole.connectors.callApi<{ count: number }>("x", { path: "/count" });
  return data?.count;
}

/**
 * Returns the connected Salesforce user.
 *
 * Body: none. Reply: `{ "user_id", "organization_id", "name", "email", "instance_url" }`.
 * Each Salesforce organization has its own address, which is in the connection's config.
 * Scope: `openid` or `id`.
 */
import { createClientFromRequest } from "npm:@base44/sdk";

export default {
  async fetch(req: Request): Promise<Response> {
    try {
      const base44 = createClientFromRequest(req);
      const { accessToken, connectionConfig } = await base44.asServiceRole.connectors.getConnection("salesforce");
      const instanceUrl = connectionConfig?.instance_url;
      if (!instanceUrl) throw new Error("The connection has no instance_url. Connect the Salesforce account again.");

      const response = await fetch(`${instanceUrl}/services/oauth2/userinfo`, {
        headers: { Authorization: `Bearer ${accessToken}` },
      });
      if (!response.ok) throw new Error(`Salesforce returned ${response.status} for userinfo.`);
      const { user_id, organization_id, name, email } = await response.json();
      return Response.json({ user_id, organization_id, name, email, instance_url: instanceUrl });
    } catch (error) {
      return failure(error);
    }
  },
};

function failure(error: any): Response {
  console.error("salesforce-whoami:", error.code ?? "", error.message);
  return Response.json({ error: error.message, code: error.code ?? null }, { status: error.status || 502 });
}

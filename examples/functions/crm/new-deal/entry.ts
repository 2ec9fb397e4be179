/**
 * Creates a contact and its deal in HubSpot, and notifies the team through another function.
 *
 * Body: `{ "email", "firstname", "lastname", "deal", "amount" }`. Reply: `{ "contact", "deal",
 * "notified" }`. For signed-in users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@^0.8.12";
import { failed, postJson, unauthorized } from "../../../shared/http.ts";
import { money } from "../../../shared/money.ts";

const OBJECTS = "https://api.hubapi.com/crm/v3/objects";
const DEAL_TO_CONTACT = 3;

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    const user = await base44.auth.me().catch(() => null);
    if (!user) return unauthorized();

    const { email, firstname, lastname, deal: dealname, amount } = await req.json();
    const { accessToken } = await base44.asServiceRole.connectors.getConnection("hubspot");
    const same = { filters: [{ propertyName: "dealname", operator: "EQ", value: dealname }] };
    const { total } = await postJson(`${OBJECTS}/deals/search`, accessToken, { filterGroups: [same], limit: 1 });
    if (total > 0) return Response.json({ error: "This deal exists already" }, { status: 409 });

    const contact = await postJson(`${OBJECTS}/contacts`, accessToken, {
      properties: { email, firstname, lastname, lifecyclestage: "lead" },
    });
    const deal = await postJson(`${OBJECTS}/deals`, accessToken, {
      properties: { dealname, amount: String(amount), dealstage: "appointmentscheduled", pipeline: "default" },
      associations: [
        {
          to: { id: contact.id },
          types: [{ associationCategory: "HUBSPOT_DEFINED", associationTypeId: DEAL_TO_CONTACT }],
        },
      ],
    });

    const text = `New deal: ${dealname}, ${money(amount * 100)}`;
    const { data } = await base44.functions.invoke("notify-team", { email: user.email, text });
    return Response.json({ contact: contact.id, deal: deal.id, notified: data });
  } catch (error) {
    return failed("crm/new-deal", error);
  }
});

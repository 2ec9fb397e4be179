/**
 * Exports the leads of HubSpot to a new Google Sheet.
 *
 * Body: `{ "title"?: "Leads" }`. Reply: `{ "spreadsheetId", "rows" }`. For signed-in users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.4";
import { callJson, postJson } from "../../shared/http.ts";

const CONTACTS = "https://api.hubapi.com/crm/v3/objects/contacts";
const SHEETS = "https://sheets.googleapis.com/v4/spreadsheets";

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    const user = await base44.auth.me();
    if (!user) {
      return Response.json({ error: "Unauthorized" }, { status: 401 });
    }

    const { title = "Leads" } = await req.json();
    const hubspotToken = await base44.asServiceRole.connectors.getAccessToken("hubspot");
    const sheetsToken = await base44.asServiceRole.connectors.getAccessToken("googlesheets");

    const leads = await postJson(`${CONTACTS}/search`, hubspotToken, {
      filterGroups: [{ filters: [{ propertyName: "lifecyclestage", operator: "EQ", value: "lead" }] }],
      properties: ["email", "firstname", "lastname"],
      limit: 100,
    });
    const rows = leads.results.map(({ properties }) => [properties.email, properties.firstname, properties.lastname]);

    const { spreadsheetId } = await postJson(SHEETS, sheetsToken, {
      properties: { title },
      sheets: [{ properties: { title: "Contacts" } }],
    });
    const values = `${SHEETS}/${spreadsheetId}/values`;
    await callJson(`${values}/Contacts!A1:C1?valueInputOption=RAW`, sheetsToken, {
      method: "PUT",
      body: JSON.stringify({ values: [["Email", "First name", "Last name"]] }),
    });
    await postJson(`${values}/Contacts!A1:append?valueInputOption=RAW&insertDataOption=INSERT_ROWS`, sheetsToken, {
      values: rows,
    });
    const written = await callJson(`${values}/${encodeURIComponent("Contacts!A:C")}`, sheetsToken);
    return Response.json({ spreadsheetId, rows: written.values });
  } catch (error) {
    return Response.json({ error: error.message }, { status: 500 });
  }
});

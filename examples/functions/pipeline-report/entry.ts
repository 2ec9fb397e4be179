/**
 * Streams the won opportunities of Salesforce as server-sent events, one event each.
 *
 * Body: none. Events: `row` with `{ "name", "amount" }`, then `end` with `{ "rows" }`. For
 * signed-in users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.31";
import { callJson, failed, unauthorized } from "../../shared/http.ts";

const QUERY = "SELECT Id, Name, Amount FROM Opportunity WHERE StageName = 'Closed Won'";

export default async function pipelineReport(req: Request): Promise<Response> {
  try {
    const base44 = createClientFromRequest(req);
    if (!(await base44.auth.isAuthenticated())) return unauthorized();

    const { accessToken, connectionConfig } = await base44.asServiceRole.connectors.getConnection("salesforce");
    const url = `${connectionConfig.instance_url}/services/data/v62.0/query?q=${encodeURIComponent(QUERY)}`;
    const { records } = await callJson(url, accessToken);
    return new Response(ReadableStream.from(eventsOf(records)).pipeThrough(new TextEncoderStream()), {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" },
    });
  } catch (error) {
    return failed("pipeline-report", error);
  }
}

async function* eventsOf(records: any[]) {
  for (const { Name: name, Amount: amount } of records) yield eventOf("row", { name, amount });
  yield eventOf("end", { rows: records.length });
}

const eventOf = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

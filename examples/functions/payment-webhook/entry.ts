/**
 * Receives a payment provider's webhooks, and records each payment as a won opportunity in
 * Salesforce.
 *
 * Runs without a user: the signature proves the sender (https://www.standardwebhooks.com).
 * Secret: PAYMENT_WEBHOOK_SECRET.
 */
import { createClientFromRequest } from "npm:@base44/sdk";
import { Webhook } from "npm:standardwebhooks@1.1.1";
import { postJson } from "../../shared/http.ts";

Deno.serve(async (req) => {
  if (req.method !== "POST") return new Response("Method not allowed", { status: 405 });
  const base44 = createClientFromRequest(req);
  const webhook = new Webhook(Deno.env.get("PAYMENT_WEBHOOK_SECRET") ?? "");
  let event;
  try {
    event = webhook.verify(await req.text(), Object.fromEntries(req.headers));
  } catch (error) {
    console.warn("Refused a webhook:", error.message);
    return Response.json({ error: "Invalid signature" }, { status: 400 });
  }
  if (event.type !== "payment.succeeded") return Response.json({ received: true });

  const { accessToken, connectionConfig } = await base44.asServiceRole.connectors.getConnection("salesforce");
  const url = `${connectionConfig.instance_url}/services/data/v62.0/sobjects/Opportunity`;
  const { id } = await postJson(url, accessToken, {
    Name: `Payment ${event.data.id}`,
    Amount: event.data.cents / 100,
    StageName: "Closed Won",
    CloseDate: event.data.date,
  });
  return Response.json({ received: true, id });
});

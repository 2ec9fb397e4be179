/**
 * Sends an invoice by Gmail, and reads it back.
 *
 * Body: `{ "to", "number", "lines": [{ "text", "cents" }] }`. Reply: `{ "id", "subject", "labels"
 * }`. Secret: COMPANY_NAME. For signed-in users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.6";
import { encodeBase64Url } from "jsr:@std/encoding@1/base64url";
import { callJson, postJson, unauthorized } from "../../shared/http.ts";
import { money } from "../../shared/money.ts";

const MESSAGES = "https://gmail.googleapis.com/gmail/v1/users/me/messages";

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    const user = await base44.auth.me().catch(() => null);
    if (!user) return unauthorized();

    const company = Deno.env.get("COMPANY_NAME");
    if (!company) return Response.json({ error: "COMPANY_NAME is not set" }, { status: 500 });

    const { to, number, lines } = await req.json();
    const mime = [
      `To: ${to}`,
      `Subject: Invoice ${number} from ${company}`,
      "MIME-Version: 1.0",
      'Content-Type: text/plain; charset="UTF-8"',
      "",
      ...lines.map(({ text, cents }) => `${text}: ${money(cents)}`),
      `Total: ${money(lines.reduce((sum, { cents }) => sum + cents, 0))}`,
    ].join("\r\n");

    const accessToken = await base44.asServiceRole.connectors.getAccessToken("gmail");
    const sent = await postJson(`${MESSAGES}/send`, accessToken, { raw: encodeBase64Url(mime) });
    const message = await callJson(`${MESSAGES}/${sent.id}?format=full`, accessToken);
    const subject = message.payload.headers.find(({ name }) => name === "Subject")?.value;
    return Response.json({ id: sent.id, subject, labels: message.labelIds });
  } catch (error) {
    console.error("send-invoice failed:", error);
    return Response.json({ error: error.message }, { status: 500 });
  }
});

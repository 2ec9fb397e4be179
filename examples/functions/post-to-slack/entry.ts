/**
 * Posts a message to Slack.
 *
 * Body: `{ "channel"?: "C0123456789", "text"?: "Hello" }`; without a channel, the first public one is taken.
 * Answer: `{ "ok": true, "channel": "C0123456789", "text": "Hello" }`, as Slack confirms them.
 * Scopes: `chat:write`, and `channels:read` for finding a channel.
 */
import { createClientFromRequest } from "npm:@base44/sdk";

Deno.serve(async (req) => {
  try {
    const { channel, text = "Hello from a backend function" } = await readBody(req);
    const base44 = createClientFromRequest(req);
    const { accessToken } = await base44.asServiceRole.connectors.getConnection("slack");

    const target = channel ?? (await firstChannel(accessToken));
    const posted = await slack("chat.postMessage", accessToken, { channel: target, text });
    return Response.json({ ok: true, channel: posted.channel, text: posted.message?.text ?? text });
  } catch (error) {
    return failure(error);
  }
});

async function firstChannel(accessToken: string): Promise<string> {
  const { channels = [] } = await slack("conversations.list", accessToken, { exclude_archived: true, limit: 200 });
  const [first] = channels;
  if (first === undefined) throw new Error("This workspace has no public channel. Send one in the body: channel.");
  return first.id;
}

/** Slack answers 200 to nearly everything; `ok` says whether it worked, and `error` why not. */
async function slack(method: string, accessToken: string, fields: Record<string, unknown>) {
  const form = new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  const response = await fetch(`https://slack.com/api/${method}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${accessToken}` },
    body: form,
  });
  if (response.status === 429) throw new Error(`Slack asks to wait ${response.headers.get("Retry-After")} s.`);
  if (!response.ok) throw new Error(`Slack answered ${response.status} to ${method}.`);
  const answer = await response.json();
  if (!answer.ok) throw new Error(`Slack refused ${method}: ${answer.error}`);
  return answer;
}

async function readBody(req: Request): Promise<{ channel?: string; text?: string }> {
  const text = await req.text();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    throw Object.assign(new Error("Send the body as JSON."), { status: 400 });
  }
}

/** `code` says what went wrong with the connection, such as `not_connected`; Slack's own errors have none. */
function failure(error: any): Response {
  console.error("post-to-slack:", error.code ?? "", error.message);
  return Response.json({ ok: false, error: error.message, code: error.code ?? null }, { status: error.status || 502 });
}

/**
 * Posts a message to Slack.
 *
 * Body: `{ "channel"?: "C0123456789", "text"?: "Hello" }`. Default channel: the first public one.
 * Reply: `{ "ok": true, "channel": "C0123456789", "text": "Hello" }`, as confirmed by Slack.
 * Scopes: `chat:write`, and `channels:read` to find a channel.
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
  if (first === undefined) throw new Error("This workspace has no public channel. Send a channel in the body.");
  return first.id;
}

/**
 * Slack returns 200 for nearly everything. `ok` reports success, `error` the reason of a failure.
 */
async function slack(method: string, accessToken: string, fields: Record<string, unknown>) {
  const form = new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  const response = await fetch(`https://slack.com/api/${method}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${accessToken}` },
    body: form,
  });
  if (response.status === 429)
    throw new Error(`Slack rate limit: retry after ${response.headers.get("Retry-After")} s.`);
  if (!response.ok) throw new Error(`Slack returned ${response.status} for ${method}.`);
  const result = await response.json();
  if (!result.ok) throw new Error(`Slack refused ${method}: ${result.error}`);
  return result;
}

async function readBody(req: Request): Promise<{ channel?: string; text?: string }> {
  const text = await req.text();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    throw Object.assign(new Error("Send the body as JSON."), { status: 400 });
  }
}

/**
 * `code` is the reason of a connection error, such as `not_connected`. Slack's own errors have
 * none.
 */
function failure(error: any): Response {
  console.error("post-to-slack:", error.code ?? "", error.message);
  return Response.json({ ok: false, error: error.message, code: error.code ?? null }, { status: error.status || 502 });
}

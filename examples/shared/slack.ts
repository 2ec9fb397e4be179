import team from "./team.json" with { type: "json" };

const API = "https://slack.com/api";

/** Slack returns 200 for nearly everything. `ok` reports success, `error` why a call failed. */
export async function slack(method: string, token: string, fields: Record<string, string>): Promise<any> {
  const response = await fetch(`${API}/${method}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
    body: new URLSearchParams(fields),
  });
  const result = await response.json();
  if (!result.ok) throw new Error(`Slack refused ${method}: ${result.error}`);
  return result;
}

/** Posts to a channel by its name, signed with the team's name. */
export async function postToChannel(token: string, channel: string, text: string): Promise<any> {
  const { channels } = await slack("conversations.list", token, { exclude_archived: "true" });
  const found = channels.find(({ name }: { name: string }) => name === channel);
  if (found === undefined) throw new Error(`Slack has no channel #${channel}.`);
  return slack("chat.postMessage", token, { channel: found.id, text: `${text}\n${team.signature}` });
}

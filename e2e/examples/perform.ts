/**
 * Calls a function as its users do: with the public SDK, with a plain HTTP client, or as another
 * service's webhook.
 */
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { createClient } from "@base44/sdk";
import { Webhook } from "standardwebhooks";
import type { ActualReply } from "./compare.ts";
import type { Action, ExpectedRun, FormFile } from "./expected.ts";

export interface Target {
  readonly server_url: string;
  readonly app_id: string;
  readonly function_name: string;
  /** The app user's token. null: an anonymous caller. */
  readonly token: string | null;
}

type Sent<Kind extends Action["kind"]> = Extract<Action, { kind: Kind }>;

/** Returns the reply, or null if the call is not a client's. */
export async function perform(target: Target, { action, headers }: ExpectedRun): Promise<ActualReply | null> {
  switch (action.kind) {
    case "invoke":
      return invoke(target, action);
    case "fetch":
      return fetchPath(target, action, headers);
    case "post":
      return post(target, JSON.stringify(action.body.value), headers);
    case "webhook":
      return sendWebhook(target, action, headers);
    case "duplex":
      return converse(target, action);
    case "schedule":
      return null;
  }
}

const clientOf = ({ server_url, app_id, token }: Target) =>
  createClient({ serverUrl: server_url, appId: app_id, ...(token === null ? {} : { token }) });

async function invoke(target: Target, { data, file }: Sent<"invoke">): Promise<ActualReply> {
  const fields = { ...Object(data.value), ...(file === null ? {} : { [file.field]: fileOf(file) }) };
  // The SDK returns an axios response, and throws another for a status above 299.
  const {
    status,
    headers,
    data: body,
  } = await clientOf(target)
    .functions.invoke(target.function_name, fields)
    .catch((error: unknown) => responseOf(error));
  return { status, headers: { ...headers }, text: typeof body === "string" ? body : JSON.stringify(body) };
}

const fileOf = ({ text, name, type }: FormFile): File => new File([text], name, { type });

interface AxiosReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: unknown;
}

function responseOf(error: unknown): AxiosReply {
  if (typeof error === "object" && error !== null && "response" in error && error.response !== undefined)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- axios declares this member
    return error.response as AxiosReply;
  throw error;
}

async function fetchPath(
  target: Target,
  { method, path, body }: Sent<"fetch">,
  headers: Readonly<Record<string, string>>,
): Promise<ActualReply> {
  return replyOf(await clientOf(target).functions.fetch(path, { method, headers, ...(body === null ? {} : { body }) }));
}

async function post(
  { server_url, app_id, function_name, token }: Target,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<ActualReply> {
  const bearer = token === null ? {} : { authorization: `Bearer ${token}` };
  return replyOf(
    await fetch(`${server_url}/api/apps/${app_id}/functions/${function_name}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer, ...headers },
      body,
    }),
  );
}

function sendWebhook(
  target: Target,
  { secret, event }: Sent<"webhook">,
  headers: Readonly<Record<string, string>>,
): Promise<ActualReply> {
  const body = JSON.stringify(event.value);
  const id = `msg_${crypto.randomUUID()}`;
  const now = new Date();
  const signature = new Webhook(secret).sign(id, now, body);
  const signed = {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": signature,
  };
  return post(target, body, { ...headers, ...signed });
}

const replyOf = async (response: Response): Promise<ActualReply> => ({
  status: response.status,
  headers: Object.fromEntries(response.headers),
  text: await response.text(),
});

/** How long a part of the reply can take. Without streaming it never comes. */
const PART_MS = 10_000;

/**
 * Sends a part, waits for as many bytes of the reply, and only then sends the next one. This ends
 * only if neither the request nor the reply is buffered anywhere.
 */
async function converse({ server_url, token }: Target, { path, parts }: Sent<"duplex">): Promise<ActualReply> {
  const sent = request(`${server_url}/api/functions${path}`, {
    method: "POST",
    headers: { "content-type": "text/plain", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    signal: AbortSignal.timeout(PART_MS * parts.length),
  });
  const replied = once(sent, "response");
  let text = "";
  let reply: IncomingMessage | null = null;
  for (const [index, part] of parts.entries()) {
    sent.write(part);
    reply ??= (await firstOf(replied)).setEncoding("utf8");
    while (text.length < parts.slice(0, index + 1).join("").length) text += await nextChunk(reply);
  }
  sent.end();
  if (reply === null) throw new Error("There was no part to send.");
  for await (const chunk of reply) text += String(chunk);
  const headers = Object.entries(reply.headers).map(([name, value]) => [name, String(value)] as const);
  return { status: reply.statusCode ?? 0, headers: Object.fromEntries(headers), text };
}

async function firstOf(replied: Promise<readonly unknown[]>): Promise<IncomingMessage> {
  const [reply] = await replied;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the event's argument
  return reply as IncomingMessage;
}

async function nextChunk(reply: IncomingMessage): Promise<string> {
  for (;;) {
    const chunk: unknown = reply.read();
    if (typeof chunk === "string") return chunk;
    await once(reply, "readable", { signal: AbortSignal.timeout(PART_MS) });
  }
}

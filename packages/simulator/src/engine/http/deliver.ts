/**
 * Sends a reply, or breaks the connection as the reply asks. Never throws when the caller has hung
 * up.
 */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Reply } from "../types.ts";
import type { Wait } from "../world.ts";

const HUGE_BYTES = 40 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, "x");

/** Sends JSON with an access token of 40 MB, as fast as the caller reads. */
async function sendHuge(response: ServerResponse, disconnected: AbortSignal): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"access_token":"');
  for (let sent = 0; sent < HUGE_BYTES && !disconnected.aborted; sent += CHUNK.length) {
    if (!response.write(CHUNK)) await once(response, "drain", { signal: disconnected }).catch(() => undefined);
  }
  response.end('","token_type":"Bearer"}');
}

async function sendDrip(response: ServerResponse, reply: Reply, wait: Wait, disconnected: AbortSignal): Promise<void> {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, "content-length": body.length });
  for (const byte of body) {
    await wait(1000, disconnected);
    if (disconnected.aborted) return;
    response.write(Buffer.of(byte));
  }
  response.end();
}

function sendCut(response: ServerResponse, reply: Reply): void {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, "content-length": body.length });
  response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
}

export async function deliver(
  response: ServerResponse,
  reply: Reply,
  wait: Wait,
  disconnected: AbortSignal,
): Promise<void> {
  if (disconnected.aborted || response.destroyed) return;
  switch (reply.delivery) {
    case "hang_up":
      response.destroy();
      return;
    case "cut":
      return sendCut(response, reply);
    case "drip":
      return sendDrip(response, reply, wait, disconnected);
    case "huge":
      return sendHuge(response, disconnected);
    case "plain": {
      const body = Buffer.from(reply.body);
      const length = reply.status === 204 ? {} : { "content-length": body.length };
      response.writeHead(reply.status, { ...reply.headers, ...length });
      response.end(body);
    }
  }
}

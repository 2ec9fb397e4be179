/** Puts an answer on the wire, or breaks the wire as the answer demands. Never throws when the caller has gone. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Answer } from "./types.ts";
import type { Wait } from "./world.ts";

const HUGE_BYTES = 40 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, "x");

/** JSON whose access token is 40 MB long, written as fast as the caller reads. */
async function sendHuge(response: ServerResponse, gone: AbortSignal): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"access_token":"');
  for (let sent = 0; sent < HUGE_BYTES && !gone.aborted; sent += CHUNK.length) {
    if (!response.write(CHUNK)) await once(response, "drain", { signal: gone }).catch(() => undefined);
  }
  response.end('","token_type":"Bearer"}');
}

async function sendDrip(response: ServerResponse, answer: Answer, wait: Wait, gone: AbortSignal): Promise<void> {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, { ...answer.headers, "content-length": body.length });
  for (const byte of body) {
    await wait(1000, gone);
    if (gone.aborted) return;
    response.write(Buffer.of(byte));
  }
  response.end();
}

function sendCut(response: ServerResponse, answer: Answer): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, { ...answer.headers, "content-length": body.length });
  response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
}

export async function deliver(response: ServerResponse, answer: Answer, wait: Wait, gone: AbortSignal): Promise<void> {
  if (gone.aborted || response.destroyed) return;
  switch (answer.delivery) {
    case "hang_up":
      response.destroy();
      return;
    case "cut":
      return sendCut(response, answer);
    case "drip":
      return sendDrip(response, answer, wait, gone);
    case "huge":
      return sendHuge(response, gone);
    case "plain": {
      const body = Buffer.from(answer.body);
      const length = answer.status === 204 ? {} : { "content-length": body.length };
      response.writeHead(answer.status, { ...answer.headers, ...length });
      response.end(body);
    }
  }
}

/**
 * Many concurrent readers, each with its own open connection. Plain sockets: three thousand HTTP
 * clients would use more CPU than the three servers.
 */
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { parseJson } from "../../support/json.ts";
import type { Connected } from "./cluster.ts";

export interface ReaderReply {
  readonly status: number;
  /** null unless the status is 200. */
  readonly access_token: string | null;
  /** The error code. null without an error, or if the connection broke. */
  readonly code: string | null;
}

export interface Readers {
  /** All readers send at once. @param rejected SHA-256 of an access token that the API rejected. */
  readAll(connected: Connected, rejected?: string): Promise<readonly ReaderReply[]>;
  close(): void;
}

const BROKEN: ReaderReply = { status: 0, access_token: null, code: null };
const HEAD_END = "\r\n\r\n";

/** Opens `count` connections to the server. */
export async function createReaders(server_url: string, count: number): Promise<Readers> {
  const port = Number(new URL(server_url).port);
  const sockets = Array.from({ length: count }, () => connect({ host: "127.0.0.1", port, noDelay: true }));
  for (const socket of sockets) socket.setEncoding("utf8").on("error", () => {});
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const parsed = new Map<string, ReaderReply>();

  /** Parses each different text once: nearly all of a thousand replies are the same. */
  function replyOf(status: number, body: string): ReaderReply {
    const known = parsed.get(body);
    if (known !== undefined) return known;
    const json = parseJson(body);
    const reply =
      status === 200
        ? { status, access_token: json.text("access_token"), code: null }
        : { status, access_token: null, code: json.text("code") };
    if (status === 200) parsed.set(body, reply);
    return reply;
  }

  return {
    readAll(connected, rejected) {
      const request = requestText(port, connected, rejected);
      return Promise.all(sockets.map((socket) => exchange(socket, request, replyOf)));
    },
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function requestText(port: number, { app, service }: Connected, rejected?: string): string {
  return [
    `GET /api/apps/${app.app_id}/external-auth/tokens/${service} HTTP/1.1`,
    `Host: localhost:${port}`,
    `Authorization: Bearer ${app.service_token}`,
    ...(rejected === undefined ? [] : [`X-Holdfast-Rejected-Token-Hash: ${rejected}`]),
    "",
    "",
  ].join("\r\n");
}

/** Sends one request and reads its reply of known length. */
function exchange(
  socket: Socket,
  request: string,
  replyOf: (status: number, body: string) => ReaderReply,
): Promise<ReaderReply> {
  if (socket.destroyed) return Promise.resolve(BROKEN);
  return new Promise((resolve) => {
    let text = "";
    const end = (reply: ReaderReply): void => {
      socket.off("data", read).off("close", broken);
      resolve(reply);
    };
    const broken = (): void => end(BROKEN);
    const read = (chunk: string): void => {
      text += chunk;
      const head = text.indexOf(HEAD_END);
      if (head < 0) return;
      const body = text.slice(head + HEAD_END.length);
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1]);
      if (Buffer.byteLength(body) >= length) end(replyOf(Number(text.slice(9, 12)), body));
    };
    socket.on("data", read).on("close", broken);
    socket.write(request);
  });
}

/** Counts each different reply. */
export function tally(replies: readonly ReaderReply[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { status, access_token, code } of replies) {
    const key = access_token ?? `${status} ${code}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/**
 * Many readers at once, each with a connection of its own that stays open. Bare sockets: an HTTP client for each of three
 * thousand would be busier than the three servers that it asks.
 */
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { parseJson } from "../../support/json.ts";
import type { Connected } from "./cluster.ts";

export interface Answer {
  readonly status: number;
  /** Null unless 200. */
  readonly access_token: string | null;
  /** The error's code; null when there is none, or the connection broke. */
  readonly code: string | null;
}

export interface Readers {
  /** Everybody asks at once. @param rejected SHA-256 of an access token that the API refused. */
  ask(of: Connected, rejected?: string): Promise<readonly Answer[]>;
  close(): void;
}

const BROKEN: Answer = { status: 0, access_token: null, code: null };
const HEAD_END = "\r\n\r\n";

/** Connects them all. */
export async function createReaders(server_url: string, count: number): Promise<Readers> {
  const port = Number(new URL(server_url).port);
  const sockets = Array.from({ length: count }, () => connect({ host: "127.0.0.1", port, noDelay: true }));
  for (const socket of sockets) socket.setEncoding("utf8").on("error", () => {});
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const parsed = new Map<string, Answer>();

  /** Of a thousand answers nearly all are the same text. */
  function answerOf(status: number, body: string): Answer {
    const known = parsed.get(body);
    if (known !== undefined) return known;
    const json = parseJson(body);
    const answer =
      status === 200
        ? { status, access_token: json.text("access_token"), code: null }
        : { status, access_token: null, code: json.text("code") };
    if (status === 200) parsed.set(body, answer);
    return answer;
  }

  return {
    ask(of, rejected) {
      const request = requestText(port, of, rejected);
      return Promise.all(sockets.map((socket) => exchange(socket, request, answerOf)));
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

/** One request, and its answer of known length. */
function exchange(
  socket: Socket,
  request: string,
  answerOf: (status: number, body: string) => Answer,
): Promise<Answer> {
  if (socket.destroyed) return Promise.resolve(BROKEN);
  return new Promise((resolve) => {
    let text = "";
    const end = (answer: Answer): void => {
      socket.off("data", read).off("close", broken);
      resolve(answer);
    };
    const broken = (): void => end(BROKEN);
    const read = (chunk: string): void => {
      text += chunk;
      const head = text.indexOf(HEAD_END);
      if (head < 0) return;
      const body = text.slice(head + HEAD_END.length);
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1]);
      if (Buffer.byteLength(body) >= length) end(answerOf(Number(text.slice(9, 12)), body));
    };
    socket.on("data", read).on("close", broken);
    socket.write(request);
  });
}

/** Each different answer, and how many got it. */
export function tally(answers: readonly Answer[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { status, access_token, code } of answers) {
    const key = access_token ?? `${status} ${code}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** A real HTTP server on a free loopback port. Records each request and sends the given reply. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export interface Seen {
  method: string;
  /** As received: percent-encoded, with query. */
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** A string is sent as it is, everything else as JSON, `undefined` as an empty body. */
  body?: unknown;
  /** Closes the connection after the headers and this many bytes of the body. */
  cutAfter?: number;
}

export interface TestServer {
  url: string;
  port: number;
  seen: Seen[];
}

const connected = { body: { access_token: "at-1", integration_type: "slack", connection_config: null } };

export async function startServer(reply: Reply | ((seen: Seen) => Reply) = connected): Promise<TestServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((bytes) => {
      const { method = "", url = "", headers } = request;
      const entry = { method, url, headers, body: bytes.toString() };
      seen.push(entry);
      const { status = 200, headers: extra = {}, body, cutAfter } = typeof reply === "function" ? reply(entry) : reply;
      const text = body === undefined || typeof body === "string" ? (body ?? "") : JSON.stringify(body);
      const type = typeof body === "string" ? "text/plain" : "application/json";
      response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text), ...extra });
      if (cutAfter === undefined) return response.end(text);
      return response.write(text.slice(0, cutAfter), () => response.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { url: `http://127.0.0.1:${address.port}`, port: address.port, seen };
}

/** Returns the reason with which `promise` was rejected. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

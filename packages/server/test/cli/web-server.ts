/** A real HTTP server that sends the test's replies. Records each request. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import { onTestFinished } from "vitest";

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Scripted {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. A string is sent as it is. */
  readonly body?: unknown;
}

export interface WebServer {
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** Returns an address where no server listens. */
export async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return `http://127.0.0.1:${address.port}`;
}

/**
 * Starts the server. `answer` receives each request and the number of earlier ones. If it returns
 * null, the request gets no reply.
 */
export async function startWebServer(
  answer: (request: RecordedRequest, index: number) => Scripted | null | Promise<Scripted | null>,
): Promise<WebServer> {
  const requests: RecordedRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const entry = { method, path: url, headers, body: Buffer.concat(chunks).toString("utf8") };
      const index = requests.push(entry) - 1;
      void (async () => {
        const scripted = await answer(entry, index);
        if (scripted === null) return;
        const { status = 200, headers: extra = {}, body = {} } = scripted;
        response.writeHead(status, { "content-type": "application/json", ...extra });
        response.end(typeof body === "string" ? body : JSON.stringify(body));
      })();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return { url: `http://127.0.0.1:${address.port}`, requests, close };
}

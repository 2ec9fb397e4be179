/**
 * A gateway in front of the simulator that records every secret in either direction. Secrets are
 * issued by the provider, sent by the server, or passed through the user's browser. The simulator
 * itself stores only hashes.
 */
import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { onTestFinished } from "vitest";

export interface RecordingGateway {
  readonly url: string;
  /** By kind (`access_token`, `code`, `state`, ...): every value seen. */
  readonly seen: ReadonlyMap<string, ReadonlySet<string>>;
}

const KINDS = ["access_token", "refresh_token", "id_token", "code", "state", "code_verifier", "client_secret"];

export async function startRecordingGateway(simulator_url: string): Promise<RecordingGateway> {
  const seen = new Map<string, Set<string>>(KINDS.map((kind) => [kind, new Set()]));
  const record = (kind: string, value: string): void => void seen.get(kind)?.add(value);
  const recordAll = (fields: Iterable<readonly [string, unknown]>): void => {
    for (const [name, value] of fields) {
      if (typeof value === "string") record(name, value);
      else if (typeof value === "object" && value !== null) recordAll(Object.entries(value));
    }
  };

  const server = createServer((request, response) => {
    void forward(request).then(({ status, headers, body }) => response.writeHead(status, headers).end(body));
  });

  async function forward(request: IncomingMessage) {
    const target = new URL(request.url ?? "/", simulator_url);
    const sent = await readAll(request);
    recordAll(target.searchParams);
    recordAll(fieldsOf(sent));
    const [scheme, credentials = ""] = (request.headers.authorization ?? "").split(" ");
    if (scheme === "Basic") record("client_secret", decodeURIComponent(atob(credentials).split(":")[1] ?? ""));
    const reply = await fetch(target, {
      method: request.method ?? "GET",
      headers: forwardedHeaders(request.headers),
      body: sent === "" ? null : sent,
      redirect: "manual",
    });
    const body = await reply.text();
    recordAll(fieldsOf(body));
    const location = reply.headers.get("location");
    if (location !== null) recordAll(new URL(location, target).searchParams);
    const type = reply.headers.get("content-type");
    return {
      status: reply.status,
      headers: { ...(location === null ? {} : { location }), ...(type === null ? {} : { "content-type": type }) },
      body,
    };
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`, seen };
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += String(chunk);
  return text;
}

/** Parses JSON or a form: providers use both. */
function fieldsOf(body: string): Iterable<readonly [string, unknown]> {
  if (!body.startsWith("{")) return new URLSearchParams(body);
  const value: unknown = JSON.parse(body);
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

const FORWARDED = ["accept", "authorization", "content-type", "user-agent", "notion-version", "cookie"];

function forwardedHeaders(headers: IncomingMessage["headers"]): Record<string, string> {
  return Object.fromEntries(
    FORWARDED.flatMap((name) => (typeof headers[name] === "string" ? [[name, headers[name]]] : [])),
  );
}

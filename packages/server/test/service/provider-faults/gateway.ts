/**
 * The network in front of the simulator, and all the ways in which a provider behind it can answer a refresh.
 *
 * Everything passes unchanged, byte for byte, until a behaviour is armed; then refresh requests of all hosts get that
 * instead. A behaviour has the socket itself, so it can do what no HTTP server would. Waits of a behaviour are the test
 * clock's. Closed when the test ends.
 */
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";

export interface RefreshRequest {
  /** `/HOST/PATH`, as gateways get it. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly refresh_token: string;
}

/** What a behaviour works with. */
export interface Scene {
  readonly socket: Socket;
  readonly request: RefreshRequest;
  readonly clock: Clock;
  /** Lets the simulator process the request, so that the refresh token is used up. */
  readonly process: () => Promise<{ readonly status: number; readonly body: string }>;
}

export type Behaviour = (scene: Scene) => void | Promise<void>;

export interface Gateway {
  readonly url: string;
  /** Refreshes so far, those that a behaviour answered included. */
  readonly refreshes: readonly RefreshRequest[];
  /** Null: a good provider again. */
  arm(behaviour: Behaviour | null): void;
  /** Nobody listens any more: connections are refused. */
  close(): Promise<void>;
}

export async function openGateway(simulator_url: string, clock: Clock): Promise<Gateway> {
  const refreshes: RefreshRequest[] = [];
  const sockets = new Set<Socket>();
  let armed: Behaviour | null = null;
  const { hostname, port } = new URL(simulator_url);

  function received(socket: Socket, bytes: Buffer, request: RefreshRequest | null): void {
    if (request !== null) refreshes.push(request);
    if (request === null || armed === null) {
      const upstream = connect(Number(port), hostname, () => upstream.write(bytes));
      sockets.add(upstream);
      upstream.on("error", () => socket.destroy());
      upstream.on("close", () => sockets.delete(upstream));
      socket.pipe(upstream).pipe(socket);
      return;
    }
    // Read on, or the end of the connection would not be noticed.
    socket.resume();
    const process = async () => {
      const { "content-length": _length, connection: _connection, host: _host, ...headers } = request.headers;
      const response = await fetch(`${simulator_url}${request.path}`, { method: "POST", headers, body: request.body });
      return { status: response.status, body: await response.text() };
    };
    void Promise.resolve(armed({ socket, request, clock, process })).catch((error: unknown) => {
      socket.destroy(error instanceof Error ? error : new Error("The behaviour failed."));
    });
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    let bytes = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const request = readRequest(bytes);
      if (request === undefined) return;
      socket.off("data", onData);
      received(socket, bytes, request);
    };
    socket.on("data", onData);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const own_port = typeof address === "object" && address !== null ? address.port : 0;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  };
  onTestFinished(close);
  return {
    url: `http://127.0.0.1:${own_port}`,
    refreshes,
    arm: (behaviour) => {
      armed = behaviour;
    },
    close,
  };
}

/** The refresh in these bytes, null when they are another request, undefined while they are not yet a whole one. */
function readRequest(bytes: Buffer): RefreshRequest | null | undefined {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const body = text.slice(end + 4);
  if (body.length < Number(headers["content-length"] ?? 0)) return undefined;
  const fields = new URLSearchParams(body);
  if (fields.get("grant_type") !== "refresh_token") return null;
  return { path: first.split(" ")[1] ?? "", headers, body, refresh_token: fields.get("refresh_token") ?? "" };
}

const JSON_TYPE = { "content-type": "application/json" };

/** A whole answer, with its length. */
export const answers =
  (status: number, body: string | Buffer, headers: Readonly<Record<string, string>> = JSON_TYPE): Behaviour =>
  ({ socket }) => {
    const content = Buffer.from(body);
    socket.end(Buffer.concat([head(status, { ...headers, "content-length": String(content.length) }), content]));
  };

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  answers(status, JSON.stringify(body), { ...JSON_TYPE, ...headers });

export const html = (status: number): Behaviour =>
  answers(status, "<!doctype html><title>Please sign in</title>", { "content-type": "text/html" });

export function head(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries({ connection: "close", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} Any\r\n${lines.join("")}\r\n`, "latin1");
}

export const hangs: Behaviour = () => {};
export const resets: Behaviour = ({ socket }) => void socket.resetAndDestroy();
export const hangsUp: Behaviour = ({ socket }) => void socket.end();

/** The request is processed, so a rotating refresh token is used up; what comes back is `then`'s. */
export const processed =
  (then: (body: string) => Behaviour): Behaviour =>
  async (scene) => {
    const { status, body } = await scene.process();
    if (status !== 200) throw new Error(`The simulator answered ${status}: ${body}`);
    await then(body)(scene);
  };

/** A success in which `change` has altered some members; undefined takes one away. */
export const altered = (
  change: (request: RefreshRequest) => Readonly<Record<string, unknown>>,
  status = 200,
): Behaviour => {
  return (scene) =>
    processed((body) => {
      const value: unknown = JSON.parse(body);
      return json(status, { ...(typeof value === "object" ? value : {}), ...change(scene.request) });
    })(scene);
};

/** `bytes` of an answer, and then neither more nor a proper end. */
export const breaksOff =
  (bytes: Buffer, end: "reset" | "close" | "silence"): Behaviour =>
  ({ socket }) => {
    socket.write(bytes, () => {
      if (end === "close") socket.end();
      // Let the bytes be read first: a reset overtakes what is still on the way.
      if (end === "reset") setImmediate(() => setImmediate(() => socket.resetAndDestroy()));
    });
  };

/** A byte a second, for ever. */
export const drips: Behaviour = ({ socket, clock }) => {
  const next = (): void => {
    if (socket.destroyed) return;
    socket.write(" ");
    clock.after(1_000, next);
  };
  socket.write(head(200, { ...JSON_TYPE, "content-length": "100000" }));
  next();
};

/** `size` bytes of `unit`, as long as somebody takes them. `told` gets how many left. */
export const floods =
  (size: number, prefix: string, unit: string, told: (sent: number) => void): Behaviour =>
  ({ socket }) => {
    const block = Buffer.from(unit.repeat(65_536 / unit.length));
    let sent = 0;
    socket.write(head(200, { ...JSON_TYPE, "content-length": String(prefix.length + size) }));
    socket.write(prefix);
    const more = (): void => {
      while (sent < size && !socket.destroyed) {
        sent += block.length;
        if (!socket.write(block)) return;
      }
      socket.end();
    };
    socket.on("drain", more);
    socket.on("close", () => told(sent - socket.writableLength));
    more();
  };

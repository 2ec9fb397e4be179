/**
 * The network in front of the simulator, and the ways in which a provider can respond to a refresh.
 *
 * All bytes pass unchanged until a behavior is armed. Then it handles the refresh requests of all
 * hosts. A behavior has the socket itself, so it can do what no HTTP server does. It waits by the
 * test clock. The gateway closes when the test ends.
 */
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";

export interface RefreshRequest {
  /** `/HOST/PATH`, as a gateway receives it. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly refresh_token: string;
}

/** The connection and request that a behavior handles. */
export interface Scene {
  readonly socket: Socket;
  readonly request: RefreshRequest;
  readonly clock: Clock;
  /** Lets the simulator process the request, so that the refresh token is used up. */
  readonly process: () => Promise<{ readonly status: number; readonly body: string }>;
}

export type Behavior = (scene: Scene) => void | Promise<void>;

export interface Gateway {
  readonly url: string;
  /** All refresh requests so far, including those that a behavior handled. */
  readonly refreshes: readonly RefreshRequest[];
  /** Sets the behavior. Null for a provider without faults. */
  arm(behavior: Behavior | null): void;
  /** Stops listening, so that connections are refused. */
  close(): Promise<void>;
}

export async function openGateway(simulator_url: string, clock: Clock): Promise<Gateway> {
  const refreshes: RefreshRequest[] = [];
  const sockets = new Set<Socket>();
  let armed: Behavior | null = null;
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
    // Without reading, the end of the connection would not be noticed.
    socket.resume();
    const process = async () => {
      const { "content-length": _length, connection: _connection, host: _host, ...headers } = request.headers;
      const response = await fetch(`${simulator_url}${request.path}`, { method: "POST", headers, body: request.body });
      return { status: response.status, body: await response.text() };
    };
    void Promise.resolve(armed({ socket, request, clock, process })).catch((error: unknown) => {
      socket.destroy(error instanceof Error ? error : new Error("The behavior failed."));
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
    arm: (behavior) => {
      armed = behavior;
    },
    close,
  };
}

/**
 * Returns the refresh in these bytes, null if they are another request, or undefined if the request
 * is not complete.
 */
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

/** Sends a whole response with its length. */
export const respond =
  (status: number, body: string | Buffer, headers: Readonly<Record<string, string>> = JSON_TYPE): Behavior =>
  ({ socket }) => {
    const content = Buffer.from(body);
    socket.end(Buffer.concat([head(status, { ...headers, "content-length": String(content.length) }), content]));
  };

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Behavior =>
  respond(status, JSON.stringify(body), { ...JSON_TYPE, ...headers });

export const html = (status: number): Behavior =>
  respond(status, "<!doctype html><title>Please sign in</title>", { "content-type": "text/html" });

export function head(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries({ connection: "close", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} Any\r\n${lines.join("")}\r\n`, "latin1");
}

export const hangs: Behavior = () => {};
export const resets: Behavior = ({ socket }) => void socket.resetAndDestroy();
export const closes: Behavior = ({ socket }) => void socket.end();

/**
 * Processes the request, so that a rotating refresh token is used up. `then` handles the
 * simulator's response.
 */
export const processed =
  (then: (body: string) => Behavior): Behavior =>
  async (scene) => {
    const { status, body } = await scene.process();
    if (status !== 200) throw new Error(`The simulator returned ${status}: ${body}`);
    await then(body)(scene);
  };

/** Sends a success in which `change` replaces members. An undefined value removes one. */
export const altered = (
  change: (request: RefreshRequest) => Readonly<Record<string, unknown>>,
  status = 200,
): Behavior => {
  return (scene) =>
    processed((body) => {
      const value: unknown = JSON.parse(body);
      return json(status, { ...(typeof value === "object" ? value : {}), ...change(scene.request) });
    })(scene);
};

/** Sends `bytes` of a response, and then neither more nor a proper end. */
export const breaksOff =
  (bytes: Buffer, end: "reset" | "close" | "silence"): Behavior =>
  ({ socket }) => {
    socket.write(bytes, () => {
      if (end === "close") socket.end();
      // A reset overtakes bytes that are still on the way, so it waits until they are read.
      if (end === "reset") setImmediate(() => setImmediate(() => socket.resetAndDestroy()));
    });
  };

/** Sends a byte a second, forever. */
export const drips: Behavior = ({ socket, clock }) => {
  const next = (): void => {
    if (socket.destroyed) return;
    socket.write(" ");
    clock.after(1_000, next);
  };
  socket.write(head(200, { ...JSON_TYPE, "content-length": "100000" }));
  next();
};

/** Sends `size` bytes of `unit` while the client reads. `onClose` gets the number of bytes sent. */
export const floods =
  (size: number, prefix: string, unit: string, onClose: (sent: number) => void): Behavior =>
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
    socket.on("close", () => onClose(sent - socket.writableLength));
    more();
  };

/** An egress proxy on a real listener, raw clients of it, and targets that count connections. */
import { once } from "node:events";
import { createServer, connect, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { Worker } from "node:worker_threads";
import { systemClock, type Clock } from "../../../src/core/clock.ts";
import { serveEgress, type EgressOptions } from "../../../src/runner/egress/proxy.ts";

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** What was refused, as `TARGET: why`. */
  readonly refused: string[];
  /** Names that were looked up, in order. */
  readonly looked_up: string[];
  connect(): Socket;
  /** Sends bytes, and returns all that comes back until the proxy closes the connection. */
  exchange(request: string): Promise<string>;
}

export interface ProxyOptions extends Partial<Omit<EgressOptions, "resolve" | "onRefused">> {
  /** Addresses by name, for each lookup in turn. The last one stays. Other names do not exist. */
  readonly names?: Readonly<Record<string, readonly (readonly string[])[]>>;
  readonly clock?: Clock;
}

export async function openProxy({ names = {}, ...options }: ProxyOptions = {}): Promise<Proxy> {
  const refused: string[] = [];
  const looked_up: string[] = [];
  const resolve = async (host: string): Promise<readonly string[]> => {
    looked_up.push(host);
    const answers = names[host] ?? [];
    const count = looked_up.filter((name) => name === host).length;
    const found = answers[Math.min(count, answers.length) - 1];
    if (found === undefined) throw new Error(`${host} does not exist`);
    return found;
  };
  const listener = await listening(createServer());
  serveEgress(listener, {
    allowed: [],
    isOwn: () => false,
    gateway: null,
    connections: 100,
    total_bytes: null,
    clock: systemClock,
    connect_timeout_ms: 5_000,
    idle_timeout_ms: 5_000,
    ...options,
    resolve,
    onRefused: (target, why) => void refused.push(`${target}: ${why}`),
  });
  const port = portOf(listener);
  const open = (): Socket => connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  return {
    port,
    refused,
    looked_up,
    connect: open,
    exchange: async (request) => {
      const socket = open();
      socket.write(request, "latin1");
      const answer = await text(socket).catch(() => "");
      socket.destroy();
      return answer;
    },
    async [Symbol.asyncDispose]() {
      await closed(listener);
    },
  };
}

export interface Target extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly authority: string;
  /** Connections that were opened so far. */
  connections(): number;
  /** The bytes that each connection sent, joined. */
  received(): string;
}

/** Listens on loopback. `onData` receives each chunk of each connection. */
export async function openTarget(onData: (socket: Socket, chunk: string) => void = () => {}): Promise<Target> {
  let count = 0;
  let received = "";
  const sockets = new Set<Socket>();
  const server = await listening(
    createServer((socket) => {
      count += 1;
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        received += chunk.toString("latin1");
        onData(socket, chunk.toString("latin1"));
      });
    }),
  );
  const port = portOf(server);
  return {
    port,
    authority: `127.0.0.1:${port}`,
    connections: () => count,
    received: () => received,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await closed(server);
    },
  };
}

/** A port that accepts no connection: its queue is full, and its program never empties it. */
export async function openSilentTarget(): Promise<Pick<Target, "authority"> & AsyncDisposable> {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const server = require("node:net").createServer();
    server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });`;
  const worker = new Worker(code, { eval: true });
  const [port]: unknown[] = await once(worker, "message");
  // Linux queues one more than the length of the queue.
  const waiting = [0, 1, 2].map(() => connect({ host: "127.0.0.1", port: Number(port) }).on("error", () => {}));
  await Promise.all(waiting.slice(0, 2).map((socket) => once(socket, "connect")));
  return {
    authority: `127.0.0.1:${String(port)}`,
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy();
      await worker.terminate();
    },
  };
}

async function listening(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/**
 * A TCP balancer: one port in front of several nodes, each new connection to the next one. Does not
 * read the traffic.
 */
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";

export interface Balancer {
  readonly server_url: string;
  /** Connections per target so far, in their order. */
  readonly connections: readonly number[];
  close(): Promise<void>;
}

/** @param ports of targets on this machine. */
export async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const connections = ports.map(() => 0);
  const open = new Set<Socket>();
  let turn = 0;

  const server = createServer((client) => {
    const index = turn % ports.length;
    turn += 1;
    connections[index] = (connections[index] ?? 0) + 1;
    const target = connect({ host: "127.0.0.1", port: ports[index] ?? 0 });
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      open.add(from);
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      // Requests and replies are a few hundred bytes, so there is no backlog that needs a pipe.
      from.on("data", (bytes) => to.write(bytes));
    }
  });
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 });
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    server_url: `http://127.0.0.1:${port}`,
    connections,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

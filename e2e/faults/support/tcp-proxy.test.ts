/** How the fault proxy affects a connection. The fault tests rely on it. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** Starts a server that returns what it receives. `received` returns everything it received. */
async function startEcho(): Promise<{ port: number; received: () => string }> {
  let received = "";
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
      socket.write(bytes);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, received: () => received };
}

interface Client {
  send(text: string): void;
  /** Resolves when exactly this text has come back. */
  received(text: string): Promise<void>;
  text(): string;
  /** Resolves to "reset" or "ended" when the connection closes. */
  closed(): Promise<string>;
}

async function client({ port }: TcpProxy): Promise<Client> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let waiting = (): void => {};
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    waiting();
  });
  const closed = new Promise<string>((resolve) => {
    socket.on("error", () => resolve("reset"));
    socket.on("close", () => resolve("ended"));
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return {
    send: (sent) => void socket.write(sent),
    received: (expected) =>
      new Promise((resolve) => {
        waiting = () => {
          if (text === expected) resolve();
        };
        waiting();
      }),
    text: () => text,
    closed: () => closed,
  };
}

async function prepare(): Promise<{ proxy: TcpProxy; echo: { port: number; received: () => string } }> {
  const echo = await startEcho();
  return { proxy: await startTcpProxy(echo.port), echo };
}

/** Waits until earlier bytes have passed: another connection's round trip. */
async function roundTrip(proxy: TcpProxy): Promise<void> {
  const other = await client(proxy);
  other.send(".");
  await other.received(".");
}

it("passes everything on, both ways, in order", async () => {
  const { proxy } = await prepare();
  const one = await client(proxy);
  const text = "0123456789".repeat(100_000);
  one.send(text);
  await one.received(text);
  expect(proxy.maxOpen()).toBe(1);
});

it("refuses connections and resets open ones, and listens on the same port again when it is healed", async () => {
  const { proxy } = await prepare();
  const one = await client(proxy);
  await roundTrip(proxy);
  await proxy.break({ kind: "refuse" });
  expect(await one.closed()).toBe("reset");
  await expect(client(proxy)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await proxy.heal();
  await roundTrip(proxy);
});

it("accepts and resets connections", async () => {
  const { proxy } = await prepare();
  await proxy.break({ kind: "reset" });
  // The reset can come before the client knows that it was connected.
  const seen = await client(proxy).then(
    (one) => one.closed(),
    () => "reset",
  );
  expect(seen).toBe("reset");
});

it("passes nothing on when half open, and drops in only one direction on request", async () => {
  const { proxy, echo } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "half_open" }, /a/);
  one.send("a");
  await roundTrip(proxy);
  await proxy.break({ kind: "drop", direction: "to_client" }, /b/);
  one.send("b");
  await roundTrip(proxy);
  await roundTrip(proxy);
  expect(echo.received()).toBe(".b..");
  await proxy.heal();
  one.send("c");
  await one.received("c");
});

it("holds bytes and releases them afterwards, as TCP does after a partition", async () => {
  const { proxy, echo } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "hold" }, /held/);
  one.send("held");
  // Other connections are not affected.
  await roundTrip(proxy);
  expect(echo.received()).toBe(".");
  await proxy.heal();
  await one.received("held");
});

it("delays by the given time and throttles to the given rate", async () => {
  const { proxy } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "delay", delay_ms: 60, direction: "to_server" });
  let started_at = performance.now();
  one.send("a");
  await one.received("a");
  expect(performance.now() - started_at).toBeGreaterThan(50);
  await proxy.break({ kind: "throttle", bytes_per_s: 1_000, direction: "to_server" });
  started_at = performance.now();
  one.send("b".repeat(100));
  await one.received(`a${"b".repeat(100)}`);
  expect(performance.now() - started_at).toBeGreaterThan(90);
});

it("resets after the given number of bytes in one direction", async () => {
  const { proxy } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "reset_after", bytes: 3, direction: "to_client" });
  one.send("abc");
  await one.received("abc");
  one.send("d");
  expect(await one.closed()).toBe("reset");
  expect(one.text()).toBe("abc");
});

it.each([true, false])("cuts once at a pattern in the client's bytes (server gets it: %s)", async (server_gets_it) => {
  const { proxy, echo } = await prepare();
  const [one, other] = [await client(proxy), await client(proxy)];
  one.send("commit");
  await one.received("commit");
  await proxy.break({ kind: "cut_at", pattern: /begin.*commit/, server_gets_it });
  one.send("begin,");
  await one.received("commitbegin,");
  one.send("commit");
  await proxy.triggered();
  expect(await one.closed()).toBe("reset");
  expect(one.text()).toBe("commitbegin,");
  expect(echo.received()).toBe(server_gets_it ? "commitbegin,commit" : "commitbegin,");
  other.send("begin,commit");
  await other.received("begin,commit");
});

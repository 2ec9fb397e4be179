/** What the fault proxy does to a connection; the fault tests rely on it. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** A server that sends back what it gets, and tells what that was. */
async function startEcho(): Promise<{ port: number; got: () => string }> {
  let got = "";
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      got += bytes.toString("latin1");
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
  return { port: address.port, got: () => got };
}

interface Client {
  send(text: string): void;
  /** Resolves when so much has come back. */
  received(text: string): Promise<void>;
  text(): string;
  /** "reset" or "ended", however it came to that. */
  over(): Promise<string>;
}

async function client({ port }: TcpProxy): Promise<Client> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let waiting = (): void => {};
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    waiting();
  });
  const over = new Promise<string>((resolve) => {
    socket.on("error", () => resolve("reset"));
    socket.on("close", () => resolve("ended"));
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return {
    send: (sent) => void socket.write(sent),
    received: (wanted) =>
      new Promise((resolve) => {
        waiting = () => {
          if (text === wanted) resolve();
        };
        waiting();
      }),
    text: () => text,
    over: () => over,
  };
}

async function prepare(): Promise<{ proxy: TcpProxy; echo: { port: number; got: () => string } }> {
  const echo = await startEcho();
  return { proxy: await startTcpProxy(echo.port), echo };
}

/** Until what was written before has surely gone through: another connection's round trip. */
async function turn(proxy: TcpProxy): Promise<void> {
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
  expect(proxy.most()).toBe(1);
});

it("refuses and resets what is open, on the same port again when it is healed", async () => {
  const { proxy } = await prepare();
  const one = await client(proxy);
  await turn(proxy);
  await proxy.break({ kind: "refuse" });
  expect(await one.over()).toBe("reset");
  await expect(client(proxy)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await proxy.heal();
  await turn(proxy);
});

it("accepts and resets", async () => {
  const { proxy } = await prepare();
  await proxy.break({ kind: "reset" });
  // It may come before the client knows that it was connected.
  const seen = await client(proxy).then(
    (one) => one.over(),
    () => "reset",
  );
  expect(seen).toBe("reset");
});

it("is silent when half open, and drops in one direction only when told so", async () => {
  const { proxy, echo } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "half_open" }, /a/);
  one.send("a");
  await turn(proxy);
  await proxy.break({ kind: "drop", direction: "to_client" }, /b/);
  one.send("b");
  await turn(proxy);
  await turn(proxy);
  expect(echo.got()).toBe(".b..");
  await proxy.heal();
  one.send("c");
  await one.received("c");
});

it("holds bytes back and gives them out afterwards, as TCP does after a partition", async () => {
  const { proxy, echo } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "hold" }, /held/);
  one.send("held");
  // Other connections are none of its business.
  await turn(proxy);
  expect(echo.got()).toBe(".");
  await proxy.heal();
  await one.received("held");
});

it("delays by the time and throttles to the rate", async () => {
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

it("resets after so many bytes of one direction", async () => {
  const { proxy } = await prepare();
  const one = await client(proxy);
  await proxy.break({ kind: "reset_after", bytes: 3, direction: "to_client" });
  one.send("abc");
  await one.received("abc");
  one.send("d");
  expect(await one.over()).toBe("reset");
  expect(one.text()).toBe("abc");
});

it.each([true, false])(
  "cuts once at a pattern of what the client sends (server gets it: %s)",
  async (server_gets_it) => {
    const { proxy, echo } = await prepare();
    const [one, other] = [await client(proxy), await client(proxy)];
    one.send("commit");
    await one.received("commit");
    await proxy.break({ kind: "cut_at", pattern: /begin.*commit/, server_gets_it });
    one.send("begin,");
    await one.received("commitbegin,");
    one.send("commit");
    await proxy.struck();
    expect(await one.over()).toBe("reset");
    expect(one.text()).toBe("commitbegin,");
    expect(echo.got()).toBe(server_gets_it ? "commitbegin,commit" : "commitbegin,");
    other.send("begin,commit");
    await other.received("begin,commit");
  },
);

/** How the names of hosts that functions call are resolved. */
import { createSocket } from "node:dgram";
import { lookup, Resolver } from "node:dns/promises";
import { expect, it, onTestFinished } from "vitest";
import { askNameServers, resolveHost } from "../../../src/runner/egress/resolve.ts";

/** Starts a name server. `reply` returns the whole message, or null for none. */
async function nameServer(reply: (query: Buffer) => Buffer | null): Promise<Resolver> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { address, port }) => {
    const message = reply(query);
    if (message !== null) socket.send(message, port, address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void socket.close());
  const resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return resolver;
}

it("a hundred names whose name server never replies do not delay another lookup of the server", async () => {
  const resolver = await nameServer(() => null);
  const names = Array.from({ length: 100 }, (_, index) => `host-${index}.example`);
  const waiting = Promise.allSettled(names.map((name) => askNameServers(resolver, name)));
  const first = await Promise.race([lookup("localhost").then(() => "lookup"), waiting.then(() => "names")]);
  expect(first).toBe("lookup");
  expect(new Set((await waiting).map(({ status }) => status))).toEqual(new Set(["rejected"]));
});

it("a message that is none of DNS is no address", async () => {
  for (const message of [Buffer.alloc(0), Buffer.from("garbage"), Buffer.alloc(600, 0xff)]) {
    const resolver = await nameServer(() => message);
    await expect(askNameServers(resolver, "host.example")).rejects.toThrow(/host\.example/);
  }
});

it.each(["0x7f.1", "2130706433", "017700000001", "127.1"])("the number %s is no name", async (host) => {
  const resolver = await nameServer(() => null);
  await expect(askNameServers(resolver, host)).rejects.toThrow(host);
});

it("a name that the operator allows can be in the machine's own files", async () => {
  expect(await resolveHost("localhost", true)).toContain("127.0.0.1");
});

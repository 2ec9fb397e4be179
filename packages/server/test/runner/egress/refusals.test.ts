/** Where a function process cannot go, however it writes the address. */
import { networkInterfaces } from "node:os";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isOwnAddress } from "../../../src/runner/egress/resolve.ts";
import { openProxy, openTarget, type Proxy } from "./harness.ts";

const connectTo = (authority: string): string => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
const get = (url: string): string => `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

/** Names that a real resolver gives a private address, as getaddrinfo does for odd numbers. */
const PRIVATE_NAMES = {
  localhost: [["127.0.0.1"]],
  "localhost.localdomain": [["127.0.0.1"]],
  "0x7f.1": [["127.0.0.1"]],
  "0x7f000001": [["127.0.0.1"]],
  "2130706433": [["127.0.0.1"]],
  "017700000001": [["127.0.0.1"]],
  "0177.0.0.1": [["127.0.0.1"]],
  "127.1": [["127.0.0.1"]],
  "metadata.example": [["169.254.169.254"]],
  "ipv6.example": [["::1"]],
  "mapped.example": [["::ffff:10.0.0.1"]],
  "half.example": [["93.184.216.34", "10.0.0.1"]],
  "empty.example": [[]],
  "broken.example": [["not an address"]],
};

const ADDRESSES = [
  "127.0.0.1",
  "127.0.0.2",
  "0.0.0.0",
  "10.1.2.3",
  "172.16.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "100.100.100.200",
  "[::1]",
  "[::]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[64:ff9b::7f00:1]",
  "[2002:7f00:1::]",
  "[fe80::1]",
  "[fd00:ec2::254]",
];

describe("a CONNECT to", () => {
  it.each([...ADDRESSES, ...Object.keys(PRIVATE_NAMES)])("%s is refused, and opens no connection", async (host) => {
    await using target = await openTarget();
    await using proxy = await openProxy({ names: PRIVATE_NAMES });
    expect(await proxy.exchange(connectTo(`${host}:${target.port}`))).toMatch(/^HTTP\/1\.1 403 /);
    expect(proxy.refused).toHaveLength(1);
    expect(target.connections()).toBe(0);
  });

  it.each([
    "user@127.0.0.1:80",
    "user:pass@example.com:443",
    "example.com.:443",
    "localhost.:443",
    "ex%61mple.com:443",
    "127。0。0。1:80",
    "①②⑦.⓪.⓪.①:80",
    "exam\tple.com:443",
    "example.com",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "example.com:443x",
    "example.com:+443",
    "example.com:443:443",
    "[::1:443",
    "[fe80::1%25lo]:443",
    "[::1%lo]:443",
    ":443",
    "-bad.example:443",
    "..:443",
    "a..b:443",
    `${"a".repeat(64)}.example:443`,
    `${"a.".repeat(127)}aa:443`,
    "http://example.com:443",
    "http://example.com/",
    "/",
    "*",
  ])("%j is no target: no name is looked up", async (authority) => {
    await using proxy = await openProxy({ names: { "example.com": [["93.184.216.34"]] } });
    expect(await proxy.exchange(connectTo(authority))).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expect(proxy.looked_up).toEqual([]);
  });

  it.each([22, 25, 53, 111, 139, 445, 465, 587, 1_023])("a public host's port %d is refused", async (port) => {
    await using proxy = await openProxy({ names: { "example.com": [["93.184.216.34"]] } });
    expect(await proxy.exchange(connectTo(`example.com:${port}`))).toMatch(/^HTTP\/1\.1 403 /);
    expect(proxy.refused).toEqual([`example.com:${port}: port ${port} is not allowed`]);
  });
});

describe("plain http to", () => {
  it.each([
    ...ADDRESSES,
    ...Object.keys(PRIVATE_NAMES),
    "user:pass@127.0.0.1",
    "127.0.0.1.",
    "127。0。0。1",
    "%6cocalhost",
    "LOCALHOST",
    "localhost.",
  ])("%s is refused, and opens no connection", async (host) => {
    await using target = await openTarget();
    await using proxy = await openProxy({ names: PRIVATE_NAMES });
    const answer = await proxy.exchange(get(`http://${host}:${target.port}/`));
    expect(answer).toMatch(/^(HTTP\/1\.1 (400|403) |$)/);
    expect(target.connections()).toBe(0);
  });

  it("this machine's own public address is refused, unless the operator allows it", async () => {
    await using target = await openTarget();
    const own = "93.184.216.34";
    const options = { names: { "me.example": [[own]] }, isOwn: (address: string) => address === own };
    await using proxy = await openProxy(options);
    for (const host of [own, "me.example"]) {
      expect(await proxy.exchange(connectTo(`${host}:5432`))).toContain("403 function_egress_refused");
      expect(await proxy.exchange(get(`http://${host}/`))).toContain("403");
    }
    await using open = await openProxy({ isOwn: () => true, allowed: [target.authority] });
    open.connect().write(connectTo(target.authority));
    await vi.waitFor(() => expect(target.connections()).toBe(1));
  });

  it("each address of this machine's interfaces counts as its own", () => {
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    expect(own.length).toBeGreaterThan(0);
    for (const { address } of own) expect(isOwnAddress(address)).toBe(true);
    expect(isOwnAddress("93.184.216.34")).toBe(false);
    expect(isOwnAddress("2606:2800:220:1:248:1893:25c8:1946")).toBe(false);
  });

  it.each([
    "/",
    "*",
    "https://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "http://",
    "http:example.com",
  ])("%s is refused without a lookup", async (url) => {
    await using proxy = await openProxy({ names: { "example.com": [["127.0.0.1"]] } });
    expect(await proxy.exchange(get(url))).toMatch(/^(HTTP\/1\.1 (400|403) |$)/);
    expect(proxy.looked_up.filter((name) => name !== "example.com")).toEqual([]);
  });

  it("a host that redirects to a private address returns the redirect, and the address stays refused", async () => {
    await using inner = await openTarget();
    await using outer = await openTarget((socket) =>
      socket.end(`HTTP/1.1 302 Found\r\nLocation: http://${inner.authority}/\r\nContent-Length: 0\r\n\r\n`),
    );
    await using proxy = await openProxy({ allowed: [outer.authority] });
    expect(await proxy.exchange(get(`http://${outer.authority}/`))).toMatch(/^HTTP\/1\.1 302 /);
    expect(await proxy.exchange(get(`http://${inner.authority}/`))).toMatch(/^HTTP\/1\.1 403 /);
    expect(inner.connections()).toBe(0);
  });
});

describe("a name that changes its address", () => {
  it.each([
    ["CONNECT", connectTo],
    ["plain http", (authority: string) => get(`http://${authority}/`)],
  ])("is never connected at an address that was not checked, with %s", async (_how, request) => {
    await using target = await openTarget();
    // No host has the first address. Another lookup for the connection itself would get the second.
    const names = { "rebind.example": [["3ffe::1"], ["127.0.0.1"]] };
    await using proxy = await openProxy({ names, connect_timeout_ms: 50 });
    const authority = `rebind.example:${target.port}`;
    expect(await proxy.exchange(request(authority))).toMatch(/^HTTP\/1\.1 502 /);
    expect(proxy.looked_up).toHaveLength(1);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await proxy.exchange(request(authority))).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect(target.connections()).toBe(0);
  });

  it("is connected at the address of its only lookup", async () => {
    await using target = await openTarget((socket) => socket.end("here"));
    const names = { "rebind.example": [["127.0.0.1"], ["127.0.0.2"]] };
    const authority = `rebind.example:${target.port}`;
    await using proxy = await openProxy({ names, allowed: [authority] });
    expect(await proxy.exchange(`${connectTo(authority)}x`)).toMatch(/here$/);
    expect(proxy.looked_up).toHaveLength(1);
  });
});

describe("why a target was refused", () => {
  const ask = (proxy: Proxy, target: string): Promise<string> =>
    proxy.exchange(get(`http://egress.holdfast.internal/${target}`));

  it("is returned to the process that was refused, and to no other", async () => {
    await using proxy = await openProxy();
    await using other = await openProxy();
    await proxy.exchange(connectTo("10.0.0.1:443"));
    expect(await ask(proxy, "10.0.0.1%3A443")).toContain("10.0.0.1 is an address of a private network");
    expect(await ask(other, "10.0.0.1%3A443")).toMatch(/^HTTP\/1\.1 404 /);
  });

  it.each(["%", "%zz", "%ff", "%00", "a%", "", "%2e%2e%2f", "x".repeat(10_000)])(
    "answers %j as unknown",
    async (name) => {
      await using proxy = await openProxy();
      expect(await ask(proxy, name)).toMatch(/^HTTP\/1\.1 404 /);
    },
  );
});

it("no bytes of a process make the proxy fail or connect to a private address", async () => {
  await using target = await openTarget();
  await using proxy = await openProxy({ names: PRIVATE_NAMES, idle_timeout_ms: 200 });
  const words =
    "CONNECT|GET|POST|PRI|http://|https://|@|:|/|[|]|?|#|%|%00|..|\r|\n|\r\n|\0| |\t|HTTP/1.1|HTTP/2.0|HTTP/0.9|Host:|Connection: upgrade|Upgrade: websocket|Transfer-Encoding: chunked|Content-Length: 5|\r\n\r\n|Expect: 100-continue|egress.holdfast.internal|localhost|127.0.0.1|0\r\n\r\n".split(
      "|",
    );
  const word = fc.constantFrom(...words, `:${target.port}`);
  const part = fc.oneof(word, word, fc.string({ maxLength: 8 }));
  const request = fc.array(part, { maxLength: 14 }).map((parts) => `${parts.join("")}\r\n\r\n`);
  await fc.assert(
    fc.asyncProperty(request, async (bytes) => {
      const socket = proxy.connect();
      const answered = new Promise((resolve) =>
        socket.once("data", resolve).once("close", resolve).once("error", resolve),
      );
      socket.end(bytes, "latin1");
      await answered;
      socket.destroy();
    }),
    { numRuns: 300 },
  );
  expect(target.connections()).toBe(0);
  expect(await proxy.exchange(connectTo("10.0.0.1:443"))).toMatch(/^HTTP\/1\.1 403 /);
});

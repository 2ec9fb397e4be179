/** Connections to URLs that a builder set: only to checked addresses, even when a name changes. */
import { connect, createServer, type Server } from "node:net";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../src/core/limits.ts";
import { ADDRESS_REFUSED, checkedLookup } from "../../src/net/checked-lookup.ts";
import { createHttpClient, type HttpClientOptions } from "../../src/net/http-client.ts";
import { manualClock, portOf } from "../oauth/support.ts";
import { startDnsServer } from "../support/dns-server.ts";

interface Target {
  readonly port: number;
  connections(): number;
}

/** Starts a server that counts its connections. It answers each with an empty 200. */
async function startTarget(host: string, port = 0): Promise<Target> {
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    socket.on("error", () => {});
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
  server.listen(port, host);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { port: portOf(server.address()), connections: () => connections };
}

const get = (url: string, options: Partial<HttpClientOptions>) =>
  createHttpClient({ gateway: null, limits: LIMITS, clock: manualClock(), global_only: true, ...options }).send({
    method: "GET",
    url,
    headers: {},
    deadline_ms: 5_000,
  });

const REFUSED = { kind: "not_sent", reason: "address_refused" };

describe("a name that changes its address between two lookups", () => {
  it("is looked up once, and the connection goes to the checked address", async () => {
    const allowed = await startTarget("127.0.0.2");
    const other = await startTarget("127.0.0.1", allowed.port);
    const dns = await startDnsServer(["127.0.0.2"], ["127.0.0.1"]);
    const lookup = checkedLookup((address) => address === "127.0.0.2", dns.resolve);
    const first = connect({ host: "rebind.example", port: allowed.port, lookup });
    await once(first, "connect");
    expect([first.remoteAddress, dns.queries()]).toEqual(["127.0.0.2", 1]);
    first.destroy();
    const second = connect({ host: "rebind.example", port: allowed.port, lookup });
    const [error] = await once(second, "error");
    expect(error).toMatchObject({ code: ADDRESS_REFUSED });
    expect([allowed.connections(), other.connections()]).toEqual([1, 0]);
  });
});

describe("the HTTP client for global addresses only", () => {
  it.each([
    [["127.0.0.1"]],
    [["169.254.169.254"]],
    [["10.0.0.1"]],
    [["93.184.216.34", "127.0.0.1"]],
    [["127.0.0.1", "93.184.216.34"]],
  ])("refuses a name with the addresses %j, without a connection", async (addresses) => {
    const target = await startTarget("127.0.0.1");
    const dns = await startDnsServer(addresses);
    expect(await get(`https://idp.example:${target.port}/`, { resolve: dns.resolve })).toEqual(REFUSED);
    expect(target.connections()).toBe(0);
  });

  it.each(["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])(
    "refuses the host %s, without a connection",
    async (host) => {
      const target = await startTarget("127.0.0.1");
      expect(await get(`https://${host}:${target.port}/`, {})).toEqual(REFUSED);
      expect(target.connections()).toBe(0);
    },
  );

  it.each([
    "http://idp.example/",
    "http://localhost:80@idp.example/",
    "http://127.0.0.1.idp.example/",
    "ftp://localhost/",
  ])("does not send to %s", async (url) => {
    expect(await get(url, { plain_loopback: true })).toEqual({ kind: "not_sent", reason: "not_https" });
  });

  it("reaches this machine only with plain_loopback, and other private addresses never", async () => {
    const target = await startTarget("127.0.0.1");
    const url = `http://127.0.0.1:${target.port}/`;
    expect(await get(url, {})).toEqual({ kind: "not_sent", reason: "not_https" });
    expect(await get(url, { plain_loopback: true })).toMatchObject({ kind: "response", status: 200 });
    expect(await get("https://10.0.0.1/", { plain_loopback: true })).toEqual(REFUSED);
    expect(target.connections()).toBe(1);
  });
});

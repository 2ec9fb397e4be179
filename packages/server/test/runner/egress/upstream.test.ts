/** The operator's proxy: what goes through it, and what does not. */
import { describe, expect, it } from "vitest";
import { parseEgressProxy } from "../../../src/core/functions/function-settings.ts";
import { openProxy, openTarget, type Target } from "./harness.ts";

const CONNECTED = "HTTP/1.1 200 Connection established\r\n\r\n";
const connectTo = (authority: string): string => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
const get = (url: string): string => `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

interface OperatorProxy extends Target {
  readonly upstream: { readonly host: string; readonly port: number };
}

/** A proxy of the operator that gives this answer to each request, and closes. */
async function operatorProxy(answer: string): Promise<OperatorProxy> {
  const target = await openTarget((socket) => void socket.end(answer));
  const upstream = { host: "127.0.0.1", port: target.port };
  return { ...target, upstream, [Symbol.asyncDispose]: target[Symbol.asyncDispose] };
}

describe("with a proxy of the operator", () => {
  it("a CONNECT is passed on by name, with the bytes that follow", async () => {
    await using operator = await operatorProxy(`${CONNECTED}hello from the target`);
    const names = { "public.example": [["93.184.216.34"]] };
    await using proxy = await openProxy({ upstream: operator.upstream, names });
    expect(await proxy.exchange(connectTo("public.example:443"))).toBe(`${CONNECTED}hello from the target`);
    expect(operator.received()).toContain("CONNECT public.example:443 HTTP/1.1\r\nhost: public.example:443\r\n");
  });

  it("a name that only the proxy knows is passed on", async () => {
    await using operator = await operatorProxy(`${CONNECTED}found`);
    await using proxy = await openProxy({ upstream: operator.upstream });
    expect(await proxy.exchange(connectTo("unknown.example:443"))).toBe(`${CONNECTED}found`);
  });

  it("a plain request is passed on with its whole URL", async () => {
    await using operator = await operatorProxy("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    await using proxy = await openProxy({ upstream: operator.upstream });
    expect(await proxy.exchange(get("http://public.example/a?b=c"))).toMatch(/^HTTP\/1\.1 200 OK[^]*ok/);
    expect(operator.received()).toMatch(/^GET http:\/\/public\.example\/a\?b=c HTTP\/1\.1\r\n/);
  });

  it.each([
    "10.0.0.1:443",
    "127.0.0.1:8080",
    "[::1]:443",
    "169.254.169.254:80",
    "private.example:443",
    "mixed.example:443",
    "public.example:25",
  ])("%s is still refused", async (authority) => {
    await using operator = await operatorProxy(CONNECTED);
    const names = {
      "private.example": [["10.0.0.1"]],
      "mixed.example": [["93.184.216.34", "10.0.0.1"]],
      "public.example": [["93.184.216.34"]],
    };
    await using proxy = await openProxy({ upstream: operator.upstream, names });
    expect(await proxy.exchange(connectTo(authority))).toMatch(/^HTTP\/1\.1 403 function_egress_refused/);
    expect(await proxy.exchange(get(`http://${authority}/`))).toMatch(/^HTTP\/1\.1 403 /);
    expect(operator.connections()).toBe(0);
  });

  it("a target that the operator allows is reached directly", async () => {
    await using operator = await operatorProxy(CONNECTED);
    await using inside = await openTarget((socket) => void socket.end("from inside"));
    await using proxy = await openProxy({ upstream: operator.upstream, allowed: [inside.authority] });
    const socket = proxy.connect();
    const received: string[] = [];
    socket.on("data", (chunk) => {
      received.push(chunk.toString());
      if (received.join("") === CONNECTED) socket.write("x");
    });
    socket.write(connectTo(inside.authority));
    await new Promise((resolve) => socket.once("end", resolve));
    socket.destroy();
    expect(received.join("")).toBe(`${CONNECTED}from inside`);
    expect(operator.connections()).toBe(0);
  });

  it.each([
    "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 403 Forbidden\r\n\r\n",
    "not http",
    "",
  ])("that answers %j, a CONNECT fails", async (answer) => {
    await using operator = await operatorProxy(answer);
    await using proxy = await openProxy({ upstream: operator.upstream });
    expect(await proxy.exchange(connectTo("public.example:443"))).toMatch(/^HTTP\/1\.1 502 Bad Gateway/);
    expect(proxy.refused).toEqual([]);
  });
});

it("the proxy is a setting", () => {
  expect(parseEgressProxy()).toBeNull();
  expect(parseEgressProxy("http://proxy.internal:3128")).toEqual({ host: "proxy.internal", port: 3_128 });
  expect(parseEgressProxy("http://[fd00::1]/")).toEqual({ host: "fd00::1", port: 80 });
  const wrong = [
    "proxy.internal:3128",
    "https://proxy",
    "http://user:word@proxy",
    "http://proxy/path",
    "http://proxy/?a",
    "x",
  ];
  for (const text of wrong) expect(() => parseEgressProxy(text)).toThrow(/HOLDFAST_FUNCTIONS_EGRESS_PROXY/);
});

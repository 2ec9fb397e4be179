/**
 * The network of a function, for bootstrap.deno.ts, whose bundle includes this file. It runs before
 * the function, so it finds the globals that the function can replace later.
 */
import dgram from "node:dgram";
import net from "node:net";

/** The egress proxy of the sandbox uses the same names. */
const EGRESS_REFUSED = "x-holdfast-egress-refused";
const EGRESS_REASONS = "http://egress.holdfast.internal/";

/**
 * Makes fetch send `https://HOST/PATH` of a known vendor to `GATEWAY/HOST/PATH`. If the egress
 * proxy refuses a target, its error says why.
 */
export function replaceFetch(gateway: string | null, hosts: readonly string[]): void {
  const fetch = globalThis.fetch;
  const rewritten = (url: URL): string | null => {
    if (gateway === null || url.protocol !== "https:" || url.port !== "") return null;
    if (!hosts.some((host) => covers(host, url.hostname))) return null;
    return `${gateway}/${url.hostname}${url.pathname}${url.search}`;
  };
  define(globalThis, "fetch", async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = URL.parse(input instanceof Request ? input.url : String(input));
    const target = url === null ? null : rewritten(url);
    const request = target !== null && input instanceof Request ? new Request(target, input) : (target ?? input);
    try {
      const response = await fetch(request, init);
      if (url !== null && response.headers.has(EGRESS_REFUSED)) throw new TypeError("unsuccessful tunnel");
      return response;
    } catch (error) {
      const is_refused = error instanceof TypeError && String(error.cause ?? error).includes("unsuccessful tunnel");
      throw is_refused && url !== null ? await explained(fetch, url, error) : error;
    }
  });
}

async function explained(fetch: typeof globalThis.fetch, url: URL, error: TypeError): Promise<TypeError> {
  const target = url.protocol === "http:" ? url.host : `${url.hostname}:${url.port || 443}`;
  const response = await fetch(`${EGRESS_REASONS}${encodeURIComponent(target)}`);
  const why = await response.text();
  if (!response.ok) return error;
  return refusal(`the function cannot connect to ${target}, because ${why}.`);
}

function refusal(message: string): TypeError {
  return Object.assign(new TypeError(`function_egress_refused: ${message}`), { code: "function_egress_refused" });
}

/**
 * Makes raw sockets, listeners and workers fail with a reason. The sandbox has no network for them,
 * and no memory for a second isolate, so this only explains.
 */
export function refuseSockets(): void {
  for (const name of ["connect", "connectTls", "startTls", "listen", "listenTls", "listenDatagram", "connectQuic"])
    if (name in Deno) define(Deno, name, refusing(`Deno.${name}`));
  const { connect } = net.Socket.prototype;
  define(net.Socket.prototype, "connect", function (this: net.Socket, ...args: unknown[]) {
    // node:http and node:https connect to the server's listeners.
    if (hostOf(args) === "127.0.0.1") return Reflect.apply(connect, this, args);
    return this.destroy(unavailable("Raw TCP"));
  });
  for (const name of ["bind", "connect", "send"]) define(dgram.Socket.prototype, name, refusing("UDP"));
  define(globalThis, "Worker", function () {
    throw new DOMException("Workers are not available in functions.", "NotSupportedError");
  });
}

function unavailable(what: string): TypeError {
  return refusal(`${what} is not available. Functions reach the network with fetch, WebSocket and node:https.`);
}

function refusing(what: string): () => never {
  return () => {
    throw unavailable(what);
  };
}

/** Returns the host in the arguments of `connect`: options, `(port, host)`, or both in an array. */
function hostOf([first, second]: readonly unknown[]): unknown {
  if (Array.isArray(first)) return hostOf(first);
  return typeof first === "object" && first !== null && "host" in first ? first.host : second;
}

function covers(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;
}

export function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: false });
}

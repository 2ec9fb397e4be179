/**
 * The only way for a sandboxed process to reach the network: an HTTP proxy on a listener inside the
 * sandbox. Owns its allowed addresses and its traffic limits. Must not know functions.
 *
 * CONNECT carries TLS and WebSockets, which the process encrypts itself. A plain http request comes
 * in absolute form (RFC 9112 §3.2.2) and is forwarded to the checked address.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { once } from "node:events";
import { connect, type Server as Listener, type Socket } from "node:net";
import { Transform, type Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../../core/clock.ts";
import { HOP_BY_HOP } from "../headers.ts";
import { authorityOf, EgressRefused, parseAuthority, routeTo, type Rules, type Target } from "./target.ts";

export interface EgressOptions extends Rules {
  /**
   * Origin that requests to `gateway.host` go to. TLS to `gateway.hosts` is refused. Null: none.
   */
  readonly gateway: GatewayRule | null;
  /** Connections of one process at a time. */
  readonly connections: number;
  /** Bytes of one process, both directions together. Null: no limit. */
  readonly total_bytes: number | null;
  readonly clock: Clock;
  readonly connect_timeout_ms: number;
  /** A connection without a byte for this long is closed. */
  readonly idle_timeout_ms: number;
  /** Called with the refused target and the reason. */
  readonly onRefused: (target: string, why: string) => void;
}

/** The gateway to a simulator. */
export interface GatewayRule {
  /** The name by which sandboxed processes call the gateway. */
  readonly host: string;
  readonly origin: string;
  /** Reports whether requests to this host must go to the gateway. */
  readonly covers: (host: string) => boolean;
}

/** The reason for `onRefused` when a process has carried `total_bytes`. */
export const TOO_MANY_BYTES = "too many bytes";
const SIMULATED = "this server simulates the service. Call it with fetch()";

/**
 * `http://HOST/TARGET` returns the reason why a target was refused. fetch does not report why a
 * CONNECT failed.
 */
const REASONS_HOST = "egress.holdfast.internal";
/** Refused targets whose reasons are remembered. */
const REFUSED_TARGETS = 100;

interface State extends EgressOptions {
  left_bytes: number;
  /** The reasons of the last refusals, by the target as written in a URL. */
  readonly refused: Map<string, string>;
}

/** Serves the listener until it is closed. */
export function serveEgress(listener: Listener, options: EgressOptions): void {
  const left_bytes = options.total_bytes ?? Number.POSITIVE_INFINITY;
  const state: State = { ...options, left_bytes, refused: new Map() };
  const proxy: Server = createServer((request, response) => void forward(state, request, response));
  proxy.maxConnections = options.connections;
  proxy.timeout = options.idle_timeout_ms;
  proxy.on(
    "connect",
    (request: IncomingMessage, client: Duplex, head: Buffer) => void tunnel(state, request, client, head),
  );
  proxy.on("clientError", (_error, client) => client.destroy());
  listener.once("close", () => {
    proxy.close();
    proxy.closeAllConnections();
  });
  proxy.listen(listener);
}

async function tunnel(state: State, { url = "" }: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
  // The process can close its end at any time.
  client.on("error", () => client.destroy());
  try {
    const target = parseAuthority(url);
    if (target === null) throw new EgressRefused("it is not host:port");
    if (state.gateway?.covers(target.host) === true) {
      throw new EgressRefused(SIMULATED);
    }
    const upstream = await connected(state, target);
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    client.unshift(head);
    await Promise.all([pipeline(client, counted(state), upstream), pipeline(upstream, counted(state), client)]);
  } catch (error) {
    if (error instanceof EgressRefused) refuse(state, url, error.message);
    const status = error instanceof EgressRefused ? "403 function_egress_refused" : "502 Bad Gateway";
    if (!client.writable) return;
    // The process could otherwise keep the connection open for as long as it lives.
    client.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`, () => client.destroy());
  }
}

/** Connects to the checked address of the target. @throws EgressRefused */
async function connected(state: State, target: Target): Promise<Socket> {
  const { is_proxy, ...address } = await routeTo(target, state);
  if (is_proxy) return await throughProxy(state, address, authorityOf(target));
  const socket = connect({ ...address, timeout: state.idle_timeout_ms });
  socket.on("timeout", () => socket.destroy());
  const cancel = endUnlessConnected(state, socket);
  await once(socket, "connect").finally(cancel);
  return socket;
}

/** Asks the operator's proxy for a connection (RFC 9110 §9.3.6). */
async function throughProxy(state: State, proxy: Target, authority: string): Promise<Socket> {
  const headers = { host: authority };
  const timeout = state.idle_timeout_ms;
  const request = httpRequest({ ...proxy, method: "CONNECT", path: authority, headers, agent: false, timeout });
  const opened = Promise.withResolvers<Socket>();
  request.once("error", opened.reject);
  request.once("connect", ({ statusCode }: IncomingMessage, socket: Socket, head: Buffer) => {
    if (statusCode !== 200) {
      socket.destroy();
      return opened.reject(new Error("The operator's proxy does not connect to this target."));
    }
    socket.unshift(head);
    socket.on("timeout", () => socket.destroy());
    opened.resolve(socket);
  });
  const cancel = state.clock.after(state.connect_timeout_ms, () => request.destroy(new Error("The proxy is slow.")));
  request.end();
  return await opened.promise.finally(cancel);
}

function refuse(state: State, target: string, why: string): void {
  const { refused, onRefused } = state;
  const name = encodeURIComponent(target);
  refused.delete(name);
  refused.set(name, why);
  if (refused.size > REFUSED_TARGETS) refused.delete([...refused.keys()][0] ?? "");
  onRefused(target, why);
}

/** Destroys the socket if it does not connect in time. The returned function cancels that. */
const endUnlessConnected = ({ clock, connect_timeout_ms }: State, socket: Socket): (() => void) =>
  clock.after(connect_timeout_ms, () => socket.destroy(new Error("The connection timed out.")));

async function forward(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on("error", () => response.destroy());
  const url = URL.parse(request.url ?? "");
  if (url?.hostname === REASONS_HOST) return answerWhy(state, url, response);
  try {
    if (url?.protocol !== "http:") throw new EgressRefused("it is not a URL with http");
    const answer = await send(state, url, request);
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer));
    await pipeline(answer, counted(state), response);
  } catch (error) {
    if (error instanceof EgressRefused) refuse(state, url?.host ?? "", error.message);
    if (response.headersSent) return void response.destroy();
    if (!(error instanceof EgressRefused)) return void response.writeHead(502, { connection: "close" }).end();
    const why = `function_egress_refused: ${error.message}.\n`;
    response.writeHead(403, { connection: "close", "content-type": "text/plain", [REFUSED_HEADER]: "1" }).end(why);
  }
}

function answerWhy({ refused }: State, { pathname }: URL, response: ServerResponse): void {
  const why = refused.get(pathname.slice(1));
  response.writeHead(why === undefined ? 404 : 200).end(why);
}

/** Forwards a plain http request, and returns its response. */
async function send(state: State, url: URL, request: IncomingMessage): Promise<IncomingMessage> {
  const { host, port, path } = await destinationOf(state, url);
  const headers: OutgoingHttpHeaders = { ...endToEnd(request), host: url.host };
  // Node would send the body of a GET without its length.
  if (request.headers["transfer-encoding"] !== undefined) headers["transfer-encoding"] = "chunked";
  const { method } = request;
  const timeout = state.idle_timeout_ms;
  const upstream = httpRequest({ host, port, method, path, headers, agent: false, timeout });
  const arrived = Promise.withResolvers<IncomingMessage>();
  upstream.once("response", arrived.resolve);
  upstream.on("error", arrived.reject);
  // The host can send no final response, only an interim one such as 101.
  upstream.once("close", () => arrived.reject(new Error("There was no response.")));
  upstream.once("timeout", () => upstream.destroy(new Error("The connection timed out.")));
  upstream.once("socket", (socket) => socket.once("connect", endUnlessConnected(state, socket)));
  void pipeline(request, counted(state), upstream).catch(arrived.reject);
  return await arrived.promise;
}

interface Destination extends Target {
  readonly path: string;
}

async function destinationOf(state: State, url: URL): Promise<Destination> {
  const path = `${url.pathname}${url.search}`;
  const { gateway } = state;
  if (gateway !== null && url.hostname === gateway.host) {
    const { hostname, port } = new URL(gateway.origin);
    return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80), path };
  }
  const target = parseAuthority(`${url.hostname}:${url.port || 80}`);
  if (target === null) throw new EgressRefused("its host is not valid");
  if (gateway?.covers(target.host) === true) throw new EgressRefused(SIMULATED);
  const { is_proxy, ...address } = await routeTo(target, state);
  return { ...address, path: is_proxy ? url.href : path };
}

/** Marks a response as this proxy's. Nothing else can set it. */
const REFUSED_HEADER = "x-holdfast-egress-refused";

function endToEnd({ headers }: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name) && name !== REFUSED_HEADER),
  );
}

/** Forwards bytes, and fails when the process exceeds its byte limit. */
function counted(state: State): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      state.left_bytes -= chunk.length;
      if (state.left_bytes < 0) done(new EgressRefused(TOO_MANY_BYTES));
      else done(null, chunk);
    },
  });
}

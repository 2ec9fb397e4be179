/**
 * A TCP proxy that injects network faults between a node and its database or provider. One fault at
 * a time is active, for open connections and new ones. `heal` ends it.
 *
 * Knows no protocol. Times in ms, sizes in bytes. "to_server" is what the client sends, "to_client"
 * what it receives.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";

export type Direction = "to_server" | "to_client";

export type Fault =
  /** Nothing listens, and open connections are reset. */
  | { readonly kind: "refuse" }
  /** Each connection is accepted, then reset. */
  | { readonly kind: "reset" }
  /** Connections are accepted and get no reply. Open ones pass nothing on. */
  | { readonly kind: "half_open" }
  /** Bytes vanish, and both ends believe that they were sent. */
  | { readonly kind: "drop"; readonly direction?: Direction }
  /** Bytes wait until the fault ends, as TCP resends them after a partition. */
  | { readonly kind: "hold"; readonly direction?: Direction }
  /** Each chunk arrives this much later. */
  | { readonly kind: "delay"; readonly delay_ms: number; readonly direction?: Direction }
  | { readonly kind: "throttle"; readonly bytes_per_s: number; readonly direction?: Direction }
  /** Counted per connection from the beginning of the fault. */
  | { readonly kind: "reset_after"; readonly bytes: number; readonly direction: Direction }
  /**
   * Resets one connection when the bytes that its client sent since the beginning of the fault
   * match. With `server_gets_it` the server still gets those bytes, and only its reply is lost.
   */
  | { readonly kind: "cut_at"; readonly pattern: RegExp; readonly server_gets_it: boolean };

export interface TcpProxy {
  readonly port: number;
  /** Replaces the active fault. `only` limits it to connections whose client has sent a match. */
  break(fault: Fault, only?: RegExp): Promise<void>;
  heal(): Promise<void>;
  /** Resets the connections that are open now, and returns their number. */
  cut(): number;
  /** Returns the highest number of connections that were open at once. */
  maxOpen(): number;
  /** Resolves when a "cut_at" has reset its connection. */
  triggered(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** The last bytes that the client sent, for `only`. */
  sent: string;
  /** The same since the beginning of the active fault, for `pattern`. */
  sent_in_fault: string;
  readonly passed: Record<Direction, number>;
  /** Whether to reset the connection instead of passing on the server's reply. */
  drop_reply: boolean;
}

interface ActiveFault {
  readonly fault: Fault;
  readonly only: RegExp | null;
}

interface State {
  readonly target_port: number;
  readonly links: Set<Link>;
  server: Server | null;
  active: ActiveFault | null;
  /** Aborts when the active fault changes. */
  changed: AbortController;
  triggered: PromiseWithResolvers<void>;
  max_open: number;
}

const SENT_MAX = 65_536;

/** Starts a proxy in front of `port` on this machine. Closed when the test ends. */
export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const state: State = {
    target_port: port,
    links: new Set(),
    server: null,
    active: null,
    changed: new AbortController(),
    triggered: Promise.withResolvers<void>(),
    max_open: 0,
  };
  const own_port = await listen(state, 0);
  onTestFinished(async () => {
    state.changed.abort();
    await closeServer(state);
  });
  return {
    port: own_port,
    break: (fault, only) => activate(state, own_port, { fault, only: only ?? null }),
    heal: () => activate(state, own_port, null),
    cut: () => resetLinks(state, null),
    maxOpen: () => state.max_open,
    triggered: () => state.triggered.promise,
  };
}

/** Returns the port. */
async function listen(state: State, port: number): Promise<number> {
  const options = { allowHalfOpen: true, pauseOnConnect: true };
  const server = createServer(options, (client) => accept(state, client));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  state.server = server;
  return addressOf(server).port;
}

function accept(state: State, client: Socket): void {
  client.on("error", () => {});
  if (state.active?.fault.kind === "reset" && state.active.only === null) {
    client.resetAndDestroy();
    return;
  }
  const server = connect({ port: state.target_port, host: "127.0.0.1", allowHalfOpen: true });
  const passed = { to_server: 0, to_client: 0 };
  const link: Link = { client, server, sent: "", sent_in_fault: "", passed, drop_reply: false };
  state.links.add(link);
  state.max_open = Math.max(state.max_open, state.links.size);
  const close = (): void => {
    state.links.delete(link);
    client.destroy();
    server.destroy();
  };
  // A missing server looks the same through the proxy as without it: the connection breaks.
  server.on("error", () => reset(link));
  client.on("close", close);
  server.on("close", close);
  void pump(state, link, "to_server").catch(close);
  void pump(state, link, "to_client").catch(close);
}

async function pump(state: State, link: Link, direction: Direction): Promise<void> {
  const [from, to] = direction === "to_server" ? [link.client, link.server] : [link.server, link.client];
  for await (const chunk of from) {
    const bytes: Buffer = chunk;
    if (direction === "to_server") recordSent(link, bytes);
    if (!(await passes(state, link, direction, bytes.length))) continue;
    link.passed[direction] += bytes.length;
    if (to.destroyed) return;
    if (!to.write(bytes)) await new Promise((resolve) => to.once("drain", resolve).once("close", resolve));
  }
  to.end();
}

/** Applies the fault, and reports whether the bytes are passed on. */
async function passes(state: State, link: Link, direction: Direction, length: number): Promise<boolean> {
  if (link.drop_reply && direction === "to_client") {
    reset(link);
    return false;
  }
  const fault = faultOf(state, link, direction);
  switch (fault?.kind) {
    case undefined:
      return true;
    case "refuse":
    case "reset":
      reset(link);
      return false;
    case "half_open":
    case "drop":
      return false;
    case "hold":
      await pause(state, null);
      return passes(state, link, direction, length);
    case "delay":
      await pause(state, fault.delay_ms);
      return true;
    case "throttle":
      await pause(state, (1000 * length) / fault.bytes_per_s);
      return true;
    case "reset_after":
      if (link.passed[direction] + length <= fault.bytes) return true;
      reset(link);
      return false;
    case "cut_at":
      return direction === "to_client" || cutAt(state, link, fault);
  }
}

function cutAt(state: State, link: Link, fault: Extract<Fault, { kind: "cut_at" }>): boolean {
  const { pattern, server_gets_it } = fault;
  if (!pattern.test(link.sent_in_fault)) return true;
  state.active = null;
  state.triggered.resolve();
  if (server_gets_it) link.drop_reply = true;
  else reset(link);
  return server_gets_it;
}

function faultOf({ active }: State, link: Link, direction: Direction): Fault | null {
  if (active === null || (active.only !== null && !active.only.test(link.sent))) return null;
  const { fault } = active;
  return "direction" in fault && fault.direction !== undefined && fault.direction !== direction ? null : fault;
}

/** Waits for the given time, or until the active fault changes. null waits only for the change. */
async function pause({ changed }: State, pause_ms: number | null): Promise<void> {
  await delay(pause_ms ?? 2 ** 31 - 1, undefined, { signal: changed.signal, ref: false }).catch(() => {});
}

async function activate(state: State, own_port: number, next: ActiveFault | null): Promise<void> {
  const was_refusing = state.active?.fault.kind === "refuse";
  state.active = next;
  state.triggered = Promise.withResolvers<void>();
  for (const link of state.links) {
    link.sent_in_fault = "";
    link.passed.to_server = 0;
    link.passed.to_client = 0;
  }
  state.changed.abort();
  state.changed = new AbortController();
  const kind = next?.fault.kind;
  if (kind === "refuse" && !was_refusing) await closeServer(state);
  if (kind === "reset") resetLinks(state, next?.only ?? null);
  if (kind !== "refuse" && was_refusing) await listen(state, own_port);
}

function resetLinks({ links }: State, only: RegExp | null): number {
  const matching = [...links].filter((link) => only === null || only.test(link.sent));
  for (const link of matching) reset(link);
  return matching.length;
}

function recordSent(link: Link, bytes: Buffer): void {
  const text = bytes.toString("latin1");
  link.sent = (link.sent + text).slice(-SENT_MAX);
  link.sent_in_fault = (link.sent_in_fault + text).slice(-SENT_MAX);
}

function reset({ client, server }: Link): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}

/** Stops listening. `close` waits for open connections, so they are reset after the call. */
async function closeServer(state: State): Promise<void> {
  const { server } = state;
  if (server?.listening !== true) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    resetLinks(state, null);
  });
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
  return address;
}

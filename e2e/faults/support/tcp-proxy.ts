/**
 * A TCP proxy that breaks what passes through it, for faults of the network between a node and its database or provider.
 * One fault at a time is in force, for the connections that are open and for those that come; `heal` ends it.
 *
 * Knows no protocol. Times in ms, sizes in bytes. "to_server" is what the client sends, "to_client" what it gets back.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";

export type Direction = "to_server" | "to_client";

export type Fault =
  /** Nobody listens; what is open is reset. */
  | { readonly kind: "refuse" }
  /** Each connection is accepted, then reset. */
  | { readonly kind: "reset" }
  /** Accepted and never answered; what is open falls silent. */
  | { readonly kind: "half_open" }
  /** Bytes vanish; both ends believe that they were sent. */
  | { readonly kind: "drop"; readonly direction?: Direction }
  /** Bytes wait until the fault ends, as TCP resends them after a partition. */
  | { readonly kind: "hold"; readonly direction?: Direction }
  /** Each piece comes so much later. */
  | { readonly kind: "delay"; readonly delay_ms: number; readonly direction?: Direction }
  | { readonly kind: "throttle"; readonly bytes_per_s: number; readonly direction?: Direction }
  /** Counted per connection from when the fault begins. */
  | { readonly kind: "reset_after"; readonly bytes: number; readonly direction: Direction }
  /**
   * Once: the connection is reset when what its client sent since the fault began matches. `server_gets_it`: the server gets
   * those bytes, too, and answers them; only its answer is lost.
   */
  | { readonly kind: "cut_at"; readonly pattern: RegExp; readonly server_gets_it: boolean };

export interface TcpProxy {
  readonly port: number;
  /** Puts a fault in the place of the one before. `only`: for connections whose client has sent a match. */
  break(fault: Fault, only?: RegExp): Promise<void>;
  heal(): Promise<void>;
  /** Resets what is open now, and nothing that comes later; how many. */
  cut(): number;
  /** Open connections, and the most that ever were at once. */
  open(): number;
  most(): number;
  /** Resolves when a "cut_at" has struck. */
  struck(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client sent, its last part: for `only` and `pattern`. */
  sent: string;
  /** The same, since the fault in force began. */
  since: string;
  readonly passed: Record<Direction, number>;
  /** The answer to what matched is not passed on. */
  doomed: boolean;
}

interface Force {
  readonly fault: Fault;
  readonly only: RegExp | null;
}

const REMEMBERED = 65_536;

/** Stands before `port` of this machine. Closed when the test ends. */
export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const links = new Set<Link>();
  let force: Force | null = null;
  let changed = new AbortController();
  let struck = Promise.withResolvers<void>();
  let most = 0;
  let server = await listen(0);
  const { port: own_port } = addressOf(server);

  function listen(at: number): Promise<Server> {
    const made = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
    return new Promise((resolve, reject) => {
      made.once("error", reject);
      made.listen(at, "127.0.0.1", () => resolve(made));
    });
  }

  function accept(client: Socket): void {
    client.on("error", () => {});
    if (force?.fault.kind === "reset" && force.only === null) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const link: Link = {
      client,
      server: upstream,
      sent: "",
      since: "",
      passed: { to_server: 0, to_client: 0 },
      doomed: false,
    };
    links.add(link);
    most = Math.max(most, links.size);
    const close = (): void => {
      links.delete(link);
      client.destroy();
      upstream.destroy();
    };
    // A server that is not there looks through the proxy as it does without: the connection breaks.
    upstream.on("error", () => reset(link));
    client.on("close", close);
    upstream.on("close", close);
    void pump(link, "to_server").catch(close);
    void pump(link, "to_client").catch(close);
  }

  async function pump(link: Link, direction: Direction): Promise<void> {
    const [from, to] = direction === "to_server" ? [link.client, link.server] : [link.server, link.client];
    for await (const chunk of from) {
      const bytes: Buffer = chunk;
      if (direction === "to_server") remember(link, bytes);
      if (!(await passes(link, direction, bytes.length))) continue;
      link.passed[direction] += bytes.length;
      if (to.destroyed) return;
      if (!to.write(bytes)) await new Promise((resolve) => to.once("drain", resolve).once("close", resolve));
    }
    to.end();
  }

  /** Whether the bytes go on, after what the fault does to them. */
  async function passes(link: Link, direction: Direction, length: number): Promise<boolean> {
    if (link.doomed && direction === "to_client") {
      reset(link);
      return false;
    }
    const fault = faultOf(link, direction);
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
        await pause(null);
        return passes(link, direction, length);
      case "delay":
        await pause(fault.delay_ms);
        return true;
      case "throttle":
        await pause((1000 * length) / fault.bytes_per_s);
        return true;
      case "reset_after":
        if (link.passed[direction] + length <= fault.bytes) return true;
        reset(link);
        return false;
      case "cut_at":
        return direction === "to_client" || cutAt(link, fault);
    }
  }

  function cutAt(link: Link, { pattern, server_gets_it }: Extract<Fault, { kind: "cut_at" }>): boolean {
    if (!pattern.test(link.since)) return true;
    force = null;
    struck.resolve();
    if (server_gets_it) link.doomed = true;
    else reset(link);
    return server_gets_it;
  }

  function faultOf(link: Link, direction: Direction): Fault | null {
    if (force === null || (force.only !== null && !force.only.test(link.sent))) return null;
    const { fault } = force;
    return "direction" in fault && fault.direction !== undefined && fault.direction !== direction ? null : fault;
  }

  /** Until the time is over, or another fault, or none, is in force. */
  async function pause(pause_ms: number | null): Promise<void> {
    const { signal } = changed;
    await delay(pause_ms ?? 2 ** 31 - 1, undefined, { signal, ref: false }).catch(() => {});
  }

  async function enter(next: Force | null): Promise<void> {
    const was_refusing = force?.fault.kind === "refuse";
    force = next;
    struck = Promise.withResolvers<void>();
    for (const link of links) {
      link.since = "";
      link.passed.to_server = 0;
      link.passed.to_client = 0;
    }
    changed.abort();
    changed = new AbortController();
    const kind = next?.fault.kind;
    if (kind === "refuse" && !was_refusing) await closed(server, () => cutAll(null));
    if (kind === "reset") cutAll(next?.only ?? null);
    if (kind !== "refuse" && was_refusing) server = await listen(own_port);
  }

  function cutAll(only: RegExp | null): number {
    const cut = [...links].filter((link) => only === null || only.test(link.sent));
    for (const link of cut) reset(link);
    return cut.length;
  }

  onTestFinished(async () => {
    changed.abort();
    await closed(server, () => cutAll(null));
  });

  return {
    port: own_port,
    break: (fault, only) => enter({ fault, only: only ?? null }),
    heal: () => enter(null),
    cut: () => cutAll(null),
    open: () => links.size,
    most: () => most,
    struck: () => struck.promise,
  };
}

function remember(link: Link, bytes: Buffer): void {
  const text = bytes.toString("latin1");
  link.sent = (link.sent + text).slice(-REMEMBERED);
  link.since = (link.since + text).slice(-REMEMBERED);
}

function reset({ client, server }: Link): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}

/** `close` waits for open connections, so they are cut in between. */
async function closed(server: Server, cut: () => void): Promise<void> {
  if (!server.listening) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    cut();
  });
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
  return address;
}

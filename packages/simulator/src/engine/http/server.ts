/**
 * The HTTP server: `/HOST/PATH` is the endpoint `https://HOST/PATH`, `/_...` is the control API.
 * `/_users` is an issuer of tokens for the users of an app.
 *
 * This folder owns sockets, routing, delivery faults and the pages. It knows no protocol step.
 *
 * Listens on 127.0.0.1 only. Every vendor request enters the ledger before it is handled, so a
 * request that hangs or is cut is visible, too. A bug in the simulator is HTTP 500 with
 * `simulator_error`. It never ends the process.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { admin } from "./admin.ts";
import { empty, json } from "../reply.ts";
import type { Call } from "../call.ts";
import { deliver } from "./deliver.ts";
import { hostOutage, REDIRECT_HOST } from "../oauth/faults.ts";
import { readIncoming } from "./incoming.ts";
import type { LedgerRequest } from "../ledger.ts";
import type { Found, Router } from "./router.ts";
import type { Incoming, Reply, Vendor } from "../types.ts";
import { USERS, userIssuer } from "./users.ts";
import type { World } from "../world.ts";

interface Parts {
  readonly world: World;
  readonly vendors: readonly Vendor[];
  readonly router: Router;
}

function notFound({ world, router }: Parts, incoming: Incoming, event: LedgerRequest): Reply {
  if (incoming.host === REDIRECT_HOST) world.book.countFollowedRedirect();
  event.outcome = "not_found";
  const message =
    router.vendorOf(incoming.host) !== null
      ? `${incoming.host} is simulated, but not ${incoming.method} ${incoming.path}.`
      : `No simulated vendor serves ${incoming.host}. GET / lists the vendors and their hosts.`;
  return json(404, { error: "not_simulated", message });
}

function outage(world: World, incoming: Incoming, event: LedgerRequest): Reply | null {
  const down = hostOutage(world.modes("", incoming.host));
  if (down === null) return null;
  event.faults.push(down.name);
  event.outcome = "fault";
  return down.reply;
}

async function run(parts: Parts, found: Found | null, call: Omit<Call, "vendor" | "params">): Promise<Reply> {
  const { world, incoming, event } = call;
  const down = outage(world, incoming, event);
  if (down !== null) return down;
  if (found === null) return notFound(parts, incoming, event);
  return found.endpoint.run({ ...call, vendor: found.endpoint.vendor, params: found.params });
}

async function vendorRequest(
  parts: Parts,
  incoming: Incoming,
  response: ServerResponse,
  disconnected: AbortSignal,
): Promise<void> {
  const { world, router } = parts;
  const found = router.find(incoming);
  const vendor = found?.endpoint.vendor.id ?? router.vendorOf(incoming.host);
  const event = world.book.open(world.now(), vendor, incoming, found?.endpoint.kind(incoming, world) ?? "other");
  const required = found?.endpoint.secrets_in_query ?? [];
  world.book.recordLeaks(incoming, (value) => world.state.isSecret(value), required);
  const cleanups: (() => void)[] = [];
  const origin = `http://${incoming.headers.host ?? "127.0.0.1"}`;
  try {
    const reply = await run(parts, found, { world, incoming, event, origin, disconnected, cleanups });
    event.status = disconnected.aborted || reply.delivery === "hang_up" ? null : reply.status;
    event.client_gone = disconnected.aborted;
    await deliver(response, reply, world.wait, disconnected);
    // A connection that the simulator itself breaks does not count as a caller that hung up.
    if (reply.delivery === "drip" || reply.delivery === "huge") event.client_gone = disconnected.aborted;
  } finally {
    for (const cleanUp of cleanups) cleanUp();
  }
}

async function handle(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const closed = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) closed.abort();
  });
  const disconnected = AbortSignal.any([closed.signal, parts.world.closing.signal]);
  const incoming = await readIncoming(request);
  if (incoming === null)
    return deliver(response, json(413, { message: "Body too large." }), parts.world.wait, disconnected);
  // Browsers request it on their own. In the ledger it would be noise.
  if (incoming.host === "favicon.ico") return deliver(response, empty(204), parts.world.wait, disconnected);
  if (incoming.host === USERS) {
    const issuer = `http://127.0.0.1:${request.socket.localPort}/${USERS}`;
    return deliver(response, userIssuer(incoming, issuer, parts.world.now()), parts.world.wait, disconnected);
  }
  if (incoming.host === "" || incoming.host.startsWith("_")) {
    return deliver(response, admin(parts.world, parts.vendors, incoming), parts.world.wait, disconnected);
  }
  return vendorRequest(parts, incoming, response, disconnected);
}

export function createSimulatorServer(parts: Parts): Server {
  return createServer((request, response) => {
    void handle(parts, request, response).catch((error: unknown) => {
      // A caller that disconnects while sending its body ends here, too. Then there is no one to
      // reply to.
      if (response.destroyed || response.headersSent) {
        response.destroy();
        return;
      }
      const message = error instanceof Error ? error.message : "unknown";
      response.writeHead(500, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: "simulator_error", message }));
    });
  });
}

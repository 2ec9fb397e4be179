/**
 * The HTTP face: `/HOST/PATH` to the endpoint that stands for `https://HOST/PATH`, `/_...` to the simulator's own.
 *
 * Listens on 127.0.0.1 only. Every vendor request is in the ledger before it is handled, so that one that hangs or is
 * cut can be seen too. A fault of the simulator itself is HTTP 500 with `simulator_error`; it never takes the process down.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { admin } from "./admin.ts";
import { empty, json } from "./answer.ts";
import type { Call } from "./call.ts";
import { deliver } from "./deliver.ts";
import { hostOutage, REDIRECT_HOST } from "./faults.ts";
import { readIncoming } from "./incoming.ts";
import type { LedgerRequest } from "./ledger.ts";
import type { Found, Router } from "./router.ts";
import type { Answer, Incoming, Vendor } from "./types.ts";
import type { World } from "./world.ts";

interface Parts {
  readonly world: World;
  readonly vendors: readonly Vendor[];
  readonly router: Router;
}

function notFound({ world, router }: Parts, incoming: Incoming, event: LedgerRequest): Answer {
  if (incoming.host === REDIRECT_HOST) world.book.redirectFollowed();
  event.outcome = "not_found";
  const what = router.knowsHost(incoming.host)
    ? `${incoming.host} is simulated, but not ${incoming.method} ${incoming.path}.`
    : `No simulated vendor answers for ${incoming.host}. GET / lists those that do.`;
  return json(404, { error: "not_simulated", message: what });
}

function outage(world: World, incoming: Incoming, event: LedgerRequest): Answer | null {
  const down = hostOutage(world.modes("", incoming.host));
  if (down === null) return null;
  event.faults.push(down.name);
  event.outcome = "fault";
  return down.answer;
}

async function run(parts: Parts, found: Found | null, call: Omit<Call, "vendor" | "params">): Promise<Answer> {
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
  gone: AbortSignal,
): Promise<void> {
  const { world, router } = parts;
  const found = router.find(incoming);
  const event = world.book.open(world.now(), incoming, found?.endpoint.kind(incoming, world) ?? "other");
  const wanted = found?.endpoint.secrets_in_query ?? [];
  world.book.noteLeaks(incoming, (value) => world.state.isSecret(value), wanted);
  const afterwards: (() => void)[] = [];
  const origin = `http://${incoming.headers.host ?? "127.0.0.1"}`;
  try {
    const answer = await run(parts, found, { world, incoming, event, origin, gone, afterwards });
    event.status = gone.aborted || answer.delivery === "hang_up" ? null : answer.status;
    event.client_gone = gone.aborted;
    await deliver(response, answer, world.wait, gone);
    // When the simulator itself breaks the connection, nobody has left.
    if (answer.delivery === "drip" || answer.delivery === "huge") event.client_gone = gone.aborted;
  } finally {
    for (const undo of afterwards) undo();
  }
}

async function handle(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) left.abort();
  });
  const gone = AbortSignal.any([left.signal, parts.world.closing.signal]);
  const incoming = await readIncoming(request);
  if (incoming === null) return deliver(response, json(413, { message: "Body too large." }), parts.world.wait, gone);
  // Browsers ask for it by themselves; it would only blur the ledger.
  if (incoming.host === "favicon.ico") return deliver(response, empty(204), parts.world.wait, gone);
  if (incoming.host === "" || incoming.host.startsWith("_")) {
    return deliver(response, admin(parts.world, parts.vendors, incoming), parts.world.wait, gone);
  }
  return vendorRequest(parts, incoming, response, gone);
}

export function createSimulatorServer(parts: Parts): Server {
  return createServer((request, response) => {
    handle(parts, request, response).catch((error: unknown) => {
      // A caller that breaks off while sending its body ends here too; then there is nobody to answer.
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

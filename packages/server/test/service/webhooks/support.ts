/** A receiver of webhooks, and nodes over one database that deliver to it. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { onTestFinished } from "vitest";
import { LIMITS, type Limits } from "../../../src/core/limits.ts";
import { EVENT_TYPES, type EventType } from "../../../src/core/events.ts";
import { newAppId } from "../../../src/core/ids.ts";
import { Secret } from "../../../src/core/secret.ts";
import { instant, type ConnectionId } from "../../../src/core/types.ts";
import { createHttpClient } from "../../../src/net/http-client.ts";
import { emit } from "../../../src/service/events/events.ts";
import { createUrls } from "../../../src/service/urls.ts";
import { createWebhooks, type Webhooks } from "../../../src/service/events/webhooks.ts";
import { openSqlite } from "../../../src/store/sqlite.ts";
import { createStore, type Store } from "../../../src/store/store.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { manualClock, type ManualClock } from "../../support/clock.ts";
import { asObject, type Json } from "../../support/http.ts";

export const SECRETS = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`);
export const [SECRET = "", OLD_SECRET = ""] = SECRETS;
export const APP = newAppId();

export interface Received {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Json;
  readonly data: Json;
}

type Respond = (response: ServerResponse, received: Received) => void;
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Respond =>
  (response) =>
    response.writeHead(code, headers).end("ignored");
export const drop: Respond = (response) => response.destroy();
/** Never responds. */
export const hang: Respond = () => {};

interface Receiver {
  readonly url: string;
  readonly received: Received[];
  respond: Respond;
}

export async function startReceiver(respond: Respond = status(204)): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const json = asObject(JSON.parse(text));
      const { headers } = request;
      const message = { id: String(headers["webhook-id"]), headers, text, json, data: asObject(json["data"]) };
      received.push(message);
      self.respond(response, message);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const self: Receiver = { url: `http://127.0.0.1:${port}/hook?key=hidden`, received, respond };
  return self;
}

interface NodeOptions {
  readonly clock?: ManualClock;
  readonly data_dir?: string;
  readonly limits?: Partial<Limits>;
  readonly events_wanted?: readonly EventType[];
  readonly url?: string | null;
}

interface Node {
  readonly store: Store;
  readonly webhooks: Webhooks;
  readonly clock: ManualClock;
  readonly data_dir: string;
  readonly log: readonly Json[];
  emit(type: EventType, id: ConnectionId, details?: Readonly<Record<string, number>>): Promise<void>;
  /** Moves the clock, and sends the events that are due. */
  later(ms: number): Promise<void>;
  close(): Promise<void>;
}

export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-webhooks-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Starts deliveries as a server does, over a real database and real connections. */
export async function startNode(url: string | null, options: NodeOptions = {}): Promise<Node> {
  const { clock = manualClock(instant(Date.now())), data_dir = directory() } = options;
  const limits = { ...LIMITS, ...options.limits };
  const store = createStore(await openSqlite({ data_dir, clock, limits }));
  const log: Json[] = [];
  const webhooks = createWebhooks({
    store,
    httpClient: createHttpClient({ gateway: null, plain_loopback: true, limits, clock }),
    urls: createUrls("https://connect.example"),
    webhook: url === null ? null : { url: new Secret(url), secrets: SECRETS.map((text) => new Secret(text)) },
    events_wanted: new Set(options.events_wanted ?? EVENT_TYPES),
    clock,
    limits,
    log: createLog("debug", (line) => void log.push(asObject(JSON.parse(line)))),
    random: () => 0.5,
  });
  let closed: Promise<void> | null = null;
  const self: Node = {
    store,
    webhooks,
    clock,
    data_dir,
    log,
    emit: (type, id, details) =>
      store.transaction((tx) =>
        emit(
          tx,
          type,
          { app_id: APP, id, integration_type: "slack", reason: "revoked", account_label: "Ada" },
          details,
        ),
      ),
    async later(ms) {
      await clock.jump(ms);
      await webhooks.run();
    },
    close() {
      closed ??= webhooks.close().then(() => store.close());
      return closed;
    },
  };
  onTestFinished(() => self.close());
  return self;
}

export const daysOf = (received: readonly Received[], id: ConnectionId): readonly unknown[] =>
  received.filter(({ data }) => data["connection_id"] === id).map(({ data }) => data["days"]);
export const logged = ({ log }: Node, event: string): readonly Json[] => log.filter((line) => line["event"] === event);

/** Returns the signature of the reference implementation. */
export function signatureOf({ id, headers, text }: Received, secret = SECRET): string {
  const at = new Date(Number(headers["webhook-timestamp"]) * 1000);
  return new Webhook(secret).sign(id, at, text);
}

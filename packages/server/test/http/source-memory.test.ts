/**
 * Builders who send deployments and secrets, or read lists of functions, slowly and many at once.
 * The server limits the memory for them, per app and in total.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "../support/clock.ts";
import { asList } from "../support/http.ts";
import { startTestServer, type TestApp, type TestServer } from "../support/server.ts";

const MIB = 1_048_576;

const deployPath = (app: TestApp): string => `/api/apps/${app.app_id}/backend-functions/large`;
const listPath = (app: TestApp): string => `/api/apps/${app.app_id}/backend-functions`;
const secretsPath = (app: TestApp): string => `/api/apps/${app.app_id}/secrets`;

/** Sends a request head, and the beginning of its body. The rest never comes. */
async function send(
  holdfast: TestServer,
  app: TestApp,
  line: string,
  { length = 0, body = Buffer.alloc(0) } = {},
): Promise<Socket> {
  const socket = connect(Number(new URL(holdfast.url).port), "127.0.0.1").pause();
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  const framing = length === Infinity ? "transfer-encoding: chunked" : `content-length: ${length}`;
  socket.write(
    `${line} HTTP/1.1\r\nhost: localhost\r\napi_key: ${app.api_key}\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`,
  );
  socket.write(body);
  return socket;
}

/** Returns the beginning of a reply, or null if there is none while the body is missing. */
async function statusOf(holdfast: TestServer, socket: Socket): Promise<string | null> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk)).resume();
  // A later request of another connection has its reply, so an earlier one would have its own.
  for (let count = 0; count < 3 && chunks.length === 0; count += 1) await holdfast.request("GET", "/healthz");
  return chunks[0]?.toString("latin1").slice(9, 12) ?? null;
}

/** Reads the first bytes of a reply, and no more. */
async function beginningOf(socket: Socket): Promise<string> {
  const arrived = once(socket, "data");
  socket.resume();
  const [chunk]: Buffer[] = await arrived;
  socket.pause();
  return chunk?.toString("latin1") ?? "";
}

const deployed = (holdfast: TestServer, app: TestApp, name: string, files: number, bytes: number): Promise<unknown> =>
  holdfast.installation.functions.deploy(
    app.app_id,
    name,
    {
      entry: "entry.js",
      files: [
        { path: "entry.js", content: `Deno.serve(() => new Response("${name}"));` },
        ...Array.from({ length: files }, (_, index) => ({ path: `${index}.txt`, content: "x".repeat(bytes) })),
      ],
      automations: [],
    },
    "test",
  );

describe("bodies that are still being sent", () => {
  const limits = { function_source_bytes_in_flight: 40 * MIB, function_source_bytes_in_flight_per_app: 20 * MIB };

  it("count for their app before they arrive: its next one is refused, and those of others are not", async () => {
    const holdfast = await startTestServer({ limits });
    const other = await holdfast.createApp("other");
    const first = await send(holdfast, holdfast.app, `PUT ${deployPath(holdfast.app)}`, { length: 19 * MIB });
    expect(await statusOf(holdfast, first)).toBe(null);
    for (const line of [`PUT ${deployPath(holdfast.app)}`, `POST ${secretsPath(holdfast.app)}`])
      for (const length of [2 * MIB, Infinity])
        expect(await statusOf(holdfast, await send(holdfast, holdfast.app, line, { length }))).toBe("503");
    expect((await holdfast.manage("GET", listPath(holdfast.app))).code).toBe("overloaded");
    const secrets = { api_key: other.api_key };
    expect((await holdfast.request("POST", secretsPath(other), { headers: secrets, json: { A: "1" } })).status).toBe(
      200,
    );
    first.destroy();
    await until(
      "the memory is free",
      async () => (await holdfast.manage("GET", listPath(holdfast.app))).status === 200,
    );
  });

  it("of all apps together have a limit", async () => {
    const holdfast = await startTestServer({ limits });
    const apps = [holdfast.app, await holdfast.createApp("second"), await holdfast.createApp("third")];
    const open = await Promise.all(
      apps.slice(0, 2).map((app) => send(holdfast, app, `PUT ${deployPath(app)}`, { length: 19 * MIB })),
    );
    for (const socket of open) expect(await statusOf(holdfast, socket)).toBe(null);
    const third = apps[2]!;
    const refused = await send(holdfast, third, `PUT ${deployPath(third)}`, { length: 3 * MIB });
    expect(await statusOf(holdfast, refused)).toBe("503");
  });

  it("that need more than all are served, one after the other", async () => {
    const holdfast = await startTestServer({ limits: { function_source_bytes_in_flight_per_app: MIB } });
    expect((await holdfast.manage("GET", listPath(holdfast.app))).status).toBe(200);
    const first = await send(holdfast, holdfast.app, `PUT ${deployPath(holdfast.app)}`, { length: 2 * MIB });
    expect(await statusOf(holdfast, first)).toBe(null);
    const second = await send(holdfast, holdfast.app, `PUT ${deployPath(holdfast.app)}`, { length: 1 });
    expect(await statusOf(holdfast, second)).toBe("503");
  });

  it("of a caller without rights count for no app", async () => {
    const holdfast = await startTestServer({ limits });
    const stranger = { ...holdfast.app, api_key: "b44k_unknown" };
    for (let count = 0; count < 3; count += 1) {
      const socket = await send(holdfast, stranger, `PUT ${deployPath(holdfast.app)}`, { length: 19 * MIB });
      expect(await statusOf(holdfast, socket)).toBe("401");
    }
    expect((await holdfast.manage("GET", listPath(holdfast.app))).status).toBe(200);
  });
});

describe("lists of functions", () => {
  it("use little memory, however many clients read them slowly", { tags: "all" }, async () => {
    const holdfast = await startTestServer();
    for (let index = 0; index < 5; index += 1) await deployed(holdfast, holdfast.app, `f${index}`, 5, MIB - 100);
    const before = process.memoryUsage.rss();
    const sockets = await Promise.all(
      Array.from({ length: 30 }, () => send(holdfast, holdfast.app, `GET ${listPath(holdfast.app)}`)),
    );
    for (let count = 0; count < 20; count += 1) await holdfast.request("GET", "/healthz");
    const statuses = await Promise.all(
      sockets.slice(0, 10).map(async (socket) => {
        return (await beginningOf(socket)).slice(9, 12);
      }),
    );
    expect(statuses).toContain("200");
    expect(statuses).toContain("503");
    expect((process.memoryUsage.rss() - before) / MIB).toBeLessThan(300);
  });

  it("arrive whole, with all functions in order of their names", async () => {
    const holdfast = await startTestServer();
    for (const name of ["b", "a/long", "a"]) await deployed(holdfast, holdfast.app, name, 3, 100_000);
    const { status, json, headers } = await holdfast.manage("GET", listPath(holdfast.app));
    expect([status, headers.get("content-type")]).toEqual([200, "application/json; charset=utf-8"]);
    const listed = asList(json["functions"]);
    expect(listed.map(({ name }) => name)).toEqual(["a", "a/long", "b"]);
    expect(listed.map(({ files }) => asList(files).length)).toEqual([4, 4, 4]);
  });

  it("break off for a client that takes longer than the limit, and free their memory", async () => {
    const holdfast = await startTestServer({ limits: { function_source_bytes_in_flight_per_app: 11 * MIB } });
    for (let index = 0; index < 3; index += 1) await deployed(holdfast, holdfast.app, `f${index}`, 5, MIB - 100);
    const slow = await send(holdfast, holdfast.app, `GET ${listPath(holdfast.app)}`);
    expect(await beginningOf(slow)).toMatch(/^HTTP\/1.1 200 /);
    expect((await holdfast.manage("GET", listPath(holdfast.app))).code).toBe("overloaded");
    await holdfast.clock.advance(120_000);
    await until(
      "the memory is free",
      async () => (await holdfast.manage("GET", listPath(holdfast.app))).status === 200,
    );
  });
});

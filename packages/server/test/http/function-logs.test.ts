import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { asAppId } from "../../src/core/ids.ts";
import { LIMITS } from "../../src/core/limits.ts";
import { instant } from "../../src/core/types.ts";
import { createLogStreams } from "../../src/http/api/log-stream.ts";
import type { FunctionRecord } from "../../src/service/functions/logs.ts";
import { manualClock, until } from "../support/clock.ts";
import { asList } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

function write(holdfast: TestServer, message: string, more: Partial<FunctionRecord> = {}): void {
  holdfast.installation.functionLogs.write({
    app_id: holdfast.app.app_id,
    function_name: "crm/sync",
    version: "fnv_1",
    request_id: "req_1",
    level: "info",
    message,
    time: holdfast.clock.now(),
    ...more,
  });
}

const pathOf = (holdfast: TestServer, rest: string): string =>
  `/api/apps/${holdfast.app.app_id}/functions-mgmt/${rest}`;

async function messages(holdfast: TestServer, path: string): Promise<unknown[]> {
  const reply = await holdfast.manage("GET", path);
  expect(reply.status).toBe(200);
  const records: unknown = JSON.parse(reply.text);
  return asList(Array.isArray(records) ? records : reply.json["records"]).map(({ message }) => message);
}

describe("logs of a function", () => {
  it("have the contract's shape, the latest first, and are not cacheable", async () => {
    const holdfast = await startTestServer();
    write(holdfast, "one");
    write(holdfast, "two\n    at entry.ts:3:5", { level: "error", time: instant(holdfast.clock.now() + 1) });
    const reply = await holdfast.manage("GET", pathOf(holdfast, "crm%2Fsync/logs?env=preview"));
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(JSON.parse(reply.text)).toEqual([
      { time: "2026-11-23T12:00:00.001Z", level: "error", message: "two\n    at entry.ts:3:5" },
      { time: "2026-11-23T12:00:00.000Z", level: "info", message: "one" },
    ]);
  });

  it("can be selected by level, time, order and number", async () => {
    const holdfast = await startTestServer();
    for (let second = 0; second < 4; second += 1) {
      const level = second % 2 === 0 ? "info" : "warning";
      write(holdfast, String(second), { level, time: instant(Date.UTC(2026, 10, 23, 12, 0, second)) });
    }
    const logs = (query: string) => messages(holdfast, pathOf(holdfast, `crm%2Fsync/logs?${query}`));
    expect(await logs("level=warning")).toEqual(["3", "1"]);
    expect(await logs("order=asc&limit=2")).toEqual(["0", "1"]);
    expect(await logs("since=2026-11-23T12:00:01Z&until=2026-11-23T12:00:03Z&order=asc")).toEqual(["1", "2"]);
    expect(await logs("since=2026-11-23T14:00:02%2B02:00&order=asc")).toEqual(["2", "3"]);
  });

  it.each(["level=fatal", "limit=0", "limit=1001", "limit=ten", "since=yesterday", "order=up"])(
    "refuse %s and name the field",
    async (query) => {
      const holdfast = await startTestServer();
      write(holdfast, "one");
      const reply = await holdfast.manage("GET", pathOf(holdfast, `crm%2Fsync/logs?${query}`));
      expect([reply.status, reply.code]).toEqual([400, "invalid_field"]);
      expect(JSON.stringify(reply.extra)).toContain(query.split("=")[0]);
    },
  );

  it("answer 404 for a function that does not exist, and for one of another app", async () => {
    const holdfast = await startTestServer();
    const other = await holdfast.createApp("other");
    write(holdfast, "one");
    const unknown = await holdfast.manage("GET", pathOf(holdfast, "none/logs"));
    expect([unknown.status, unknown.code]).toEqual([404, "function_not_found"]);
    const crossed = await holdfast.manage("GET", `/api/apps/${other.app_id}/functions-mgmt/crm%2Fsync/logs`);
    const textOf = ({ text }: typeof unknown) => text.replace(/req_\w+/, "").replaceAll(/none|crm\/sync/g, "NAME");
    expect(textOf(crossed)).toBe(textOf(unknown));
  });

  it("are empty for a function that has printed nothing, deployed or from a directory", async () => {
    const functions_dir = mkdtempSync(join(tmpdir(), "holdfast-functions-"));
    onTestFinished(() => rmSync(functions_dir, { recursive: true, force: true }));
    writeFileSync(join(functions_dir, "quiet.js"), "export default () => new Response();");
    const holdfast = await startTestServer({ functions_dir });
    const json = { entry: "entry.js", files: [{ path: "entry.js", content: "export default () => new Response();" }] };
    await holdfast.manage("PUT", `/api/apps/${holdfast.app.app_id}/backend-functions/deployed`, { json });
    expect(await messages(holdfast, pathOf(holdfast, "quiet/logs"))).toEqual([]);
    expect(await messages(holdfast, pathOf(holdfast, "deployed/logs"))).toEqual([]);
  });

  it("survive a restart", async () => {
    const holdfast = await startTestServer();
    write(holdfast, "before the restart");
    const again = await holdfast.restart();
    expect(await messages(again, pathOf(again, "crm%2Fsync/logs"))).toEqual(["before the restart"]);
  });

  it("of the whole app include function, version and request", async () => {
    const holdfast = await startTestServer();
    const path = `/api/management/apps/${holdfast.app.app_id}/logs`;
    write(holdfast, "debug", { level: "debug" });
    write(holdfast, "warned", { function_name: "hello", level: "warning", version: null, request_id: null });
    const { records } = (await holdfast.manage("GET", `${path}?order=asc`)).json;
    expect(asList(records)[1]).toEqual({
      id: expect.stringMatching(/^log_/),
      time: "2026-11-23T12:00:00.000Z",
      level: "warning",
      function_name: "hello",
      version: null,
      request_id: null,
      message: "warned",
    });
    expect(await messages(holdfast, `${path}?level=info`)).toEqual(["warned"]);
    expect(await messages(holdfast, `${path}?function=crm%2Fsync`)).toEqual(["debug"]);
    expect((await holdfast.manage("GET", `${path}?fields=x`)).code).toBe("unknown_field");
  });
});

/** Reads a live view. `next` advances the clock by a second, and returns what has arrived since. */
async function follow(holdfast: TestServer, query = "", headers = { api_key: holdfast.app.api_key }) {
  const url = `${holdfast.url}${pathOf(holdfast, `logs/stream${query}`)}`;
  const response = await fetch(url, { headers: { accept: "text/event-stream", ...headers } });
  const reader = response.body!.getReader();
  let text = "";
  let is_done = false;
  const pump = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += new TextDecoder().decode(part.value);
    }
    is_done = true;
  })();
  return {
    response,
    reader,
    done: () => is_done,
    /** Advances the clock until the text has arrived. */
    shows: (wanted: string) =>
      until(`the view shows ${wanted}`, async () => {
        if (text.includes(wanted)) return true;
        await holdfast.clock.advance(1_000);
        return false;
      }),
    text: () => text,
    close: async () => {
      await reader.cancel();
      await pump;
    },
  };
}

describe("the live view", () => {
  it("shows new records of the chosen functions as unnamed events, and nothing older", async () => {
    const holdfast = await startTestServer();
    write(holdfast, "old");
    const view = await follow(holdfast, "?function=crm%2Fsync,crm%2Fsync&env=prod");
    expect(view.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    await view.shows(": open");
    write(holdfast, "of another", { function_name: "hello" });
    const time = holdfast.clock.now();
    write(holdfast, "first line\nevent: end\ndata: {}", { level: "warning", time });
    await view.shows("first line");
    expect(view.text()).toBe(
      `: open\n\ndata: ${JSON.stringify({
        time: new Date(time).toISOString(),
        level: "warning",
        function: "crm/sync",
        message: "first line\nevent: end\ndata: {}",
      })}\n\n`,
    );
    await view.close();
  });

  it("sends a comment when there is no output, and ends after ten minutes so that the client reconnects", async () => {
    const holdfast = await startTestServer();
    const view = await follow(holdfast);
    await view.shows(": keep-alive\n\n");
    await holdfast.clock.jump(600_000);
    await view.shows('event: end\ndata: {"reason":"max_duration","retriable":true}\n\n');
    await until("the view is closed", view.done);
    expect(view.text()).toMatch(/^: open\n\n(?:: keep-alive\n\n)+event: end/);
  });

  it("ends when its credential is revoked", async () => {
    const holdfast = await startTestServer();
    const view = await follow(holdfast);
    await view.shows(": open");
    await holdfast.installation.apiKeys.revoke(holdfast.builder.workspace_id, holdfast.app.api_key.split("_")[1]!);
    await view.shows("event: end");
    expect(view.text()).toContain('"retriable":false');
  });

  it("ends when its credential is revoked, even while a function prints all the time", async () => {
    const holdfast = await startTestServer();
    const view = await follow(holdfast);
    await view.shows(": open");
    await holdfast.installation.apiKeys.revoke(holdfast.builder.workspace_id, holdfast.app.api_key.split("_")[1]!);
    for (let second = 0; second < 40 && !view.done(); second += 1) {
      const message = `printed in second ${second}`;
      write(holdfast, message, { time: holdfast.clock.now() });
      await until("the view goes on", async () => {
        await holdfast.clock.advance(1_000);
        return view.done() || view.text().includes(message);
      });
    }
    expect(view.text()).toContain('"retriable":false');
  });

  it("ends when the server stops, and does not hold it up", async () => {
    const holdfast = await startTestServer();
    const view = await follow(holdfast);
    await view.shows(": open");
    await holdfast.close();
    await until("the view is closed", view.done);
    expect(view.text()).toContain('event: end\ndata: {"reason":"shutdown","retriable":true}');
  });

  it("is refused beyond its app's share, and views of other apps are not", async () => {
    const holdfast = await startTestServer({ limits: { function_log_streams: 3, function_log_streams_per_app: 2 } });
    const other = await holdfast.createApp("other");
    const views = [await follow(holdfast), await follow(holdfast)];
    const third = await holdfast.manage("GET", pathOf(holdfast, "logs/stream"));
    expect([third.status, third.code]).toEqual([503, "overloaded"]);
    const path = `${holdfast.url}/api/apps/${other.app_id}/functions-mgmt/logs/stream`;
    const caller = new AbortController();
    const { status } = await fetch(path, { headers: { api_key: other.api_key }, signal: caller.signal });
    expect(status).toBe(200);
    caller.abort();
    await Promise.all(views.map((view) => view.close()));
  });

  it("does not open for a HEAD request, whose reply would never end", async () => {
    const holdfast = await startTestServer();
    const reply = await holdfast.manage("HEAD", pathOf(holdfast, "logs/stream"));
    expect([reply.status, reply.headers.get("allow")]).toEqual([405, "GET"]);
  });

  it("frees its place if the client leaves before the first event", async () => {
    const clock = manualClock();
    const limits = { ...LIMITS, function_log_streams: 1 };
    const streams = createLogStreams({ clock, config: { limits } });
    const tail = { next: () => Promise.resolve([]) };
    for (let count = 0; count < 3; count += 1) {
      const view = streams.open(asAppId("app_a"), { tail, authorize: async () => {}, left: AbortSignal.any([]) });
      view.destroy();
      await once(view, "close");
      expect(view.readableDidRead).toBe(false);
    }
  });

  it("is refused beyond the limit, and for a missing function", async () => {
    const holdfast = await startTestServer({ limits: { function_log_streams: 1 } });
    const view = await follow(holdfast);
    await view.shows(": open");
    const second = await holdfast.manage("GET", pathOf(holdfast, "logs/stream"));
    expect([second.status, second.code]).toEqual([503, "overloaded"]);
    expect((await holdfast.manage("GET", pathOf(holdfast, "logs/stream?function=none"))).status).toBe(404);
    await view.close();
    // Its place is free before the next poll, or heartbeat, of the view.
    await until("another view is open", async () => {
      const next = await follow(holdfast);
      await next.close();
      return next.response.status === 200;
    });
  });
});

/** Automations of deployed functions: checked, listed, and run by their schedule. */
import { describe, expect, it } from "vitest";
import { asList, type Reply } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const MINUTE = 60_000;
const HOURLY = {
  name: "hourly",
  type: "scheduled",
  schedule_mode: "recurring",
  schedule_type: "cron",
  cron_expression: "0 * * * *",
  function_args: { region: "eu" },
};
const ENTITY = { name: "orders", type: "entity", entity_name: "Order", event_types: ["create"] };
const CONNECTOR = { name: "mails", type: "connector", integration_type: "gmail", events: ["message.received"] };
const REPORT = `
export default async (request) => {
  const { method, url } = request;
  console.log("ran", method, new URL(url).pathname, request.headers.get("authorization"), await request.text());
  return new Response(null, { status: 204 });
};`;

function deploy(holdfast: TestServer, automations: unknown, content = REPORT): Promise<Reply> {
  const json = { entry: "entry.js", files: [{ path: "entry.js", content }], automations };
  return holdfast.manage("PUT", `/api/apps/${holdfast.app.app_id}/backend-functions/report`, { json });
}

async function listed(holdfast: TestServer): Promise<unknown> {
  const { json } = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/backend-functions`);
  return asList(json["functions"]).map(({ automations }) => automations);
}

async function records(holdfast: TestServer) {
  const { json } = await holdfast.manage("GET", `/api/management/apps/${holdfast.app.app_id}/logs?order=asc`);
  return asList(json["records"]);
}

const schedule = async ({ installation, app }: TestServer) =>
  (await installation.store.listSchedules(app.app_id, "report"))[0];

describe("automations", () => {
  it("of every kind are stored and listed, and a note names the kinds that never run", async () => {
    const holdfast = await startTestServer();
    const sent = [HOURLY, ENTITY, CONNECTOR];
    const reply = await deploy(holdfast, sent);
    expect([reply.status, reply.json["notes"]]).toEqual([
      200,
      [
        "The automation orders is stored only: this server has no events of entities that start functions.",
        "The automation mails is stored only: this server has no events of connectors that start functions.",
      ],
    ]);
    expect(await listed(holdfast)).toEqual([sent]);
    expect((await deploy(holdfast, sent)).json).toMatchObject({
      status: "unchanged",
      notes: [/orders/, /mails/].map((part) => expect.stringMatching(part)),
    });
  });

  it.each<[string, object, string]>([
    ["an unknown type", { ...ENTITY, type: "lunar" }, "/automations/1/type"],
    [
      "a bad cron expression",
      { ...HOURLY, name: "b", cron_expression: "61 * * * *" },
      "/automations/1/cron_expression",
    ],
    [
      "a cron expression that never runs",
      { ...HOURLY, name: "b", cron_expression: "0 0 30 2 *" },
      "/automations/1/cron_expression",
    ],
    [
      "a date that is none",
      { name: "b", type: "scheduled", schedule_mode: "one-time", one_time_date: "soon" },
      "/automations/1/one_time_date",
    ],
    ["an unknown time zone", { ...HOURLY, name: "b", timezone: "Mars" }, "/automations/1/timezone"],
  ])("with %s are refused by their path, and change nothing", async (_name, wrong, path) => {
    const holdfast = await startTestServer();
    await deploy(holdfast, [HOURLY]);
    const reply = await deploy(holdfast, [HOURLY, wrong], "export default () => new Response('new');");
    expect([reply.status, reply.code]).toEqual([400, "invalid_field"]);
    expect(asList(reply.extra["errors"]).map(({ name }) => name)).toEqual([path]);
    expect(reply.json["message"]).toContain(path);
    expect(await listed(holdfast)).toEqual([[HOURLY]]);
  });

  it("run the function on schedule with their arguments as the body, and without a user", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, [HOURLY]);
    await holdfast.server.scheduler.tick();
    expect(await records(holdfast)).toEqual([]);
    await holdfast.clock.jump(60 * MINUTE);
    await Promise.all([holdfast.server.scheduler.tick(), holdfast.server.scheduler.tick()]);
    const path = `/api/apps/${holdfast.app.app_id}/functions/report`;
    expect(await records(holdfast)).toMatchObject([
      {
        message: `ran POST ${path} null {"region":"eu"}`,
        request_id: expect.stringMatching(/^req_/),
        version: expect.stringMatching(/^fnv_/),
      },
    ]);
    const { json } = await holdfast.manage("GET", `/api/management/apps/${holdfast.app.app_id}/schedules`);
    expect(json).toEqual({
      schedules: [
        {
          function_name: "report",
          automation_name: "hourly",
          next_run_at: Date.UTC(2026, 10, 23, 14),
          last_run_at: Date.UTC(2026, 10, 23, 13),
          last_outcome: "ok",
          runs: 1,
          missed: 0,
        },
      ],
    });
    expect(await schedule(holdfast)).toMatchObject({ lease_owner: null });
  });

  it("record a run that failed, with the function's own error", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, [HOURLY], "export default () => { throw new Error('no orders'); };");
    await holdfast.clock.jump(60 * MINUTE);
    await holdfast.server.scheduler.tick();
    expect((await records(holdfast)).map(({ message }) => String(message).split("\n")[0])).toEqual([
      "Error: no orders",
      "The automation hourly failed: function_error.",
    ]);
    expect(await schedule(holdfast)).toMatchObject({ last_outcome: "function_error" });
  });

  it("follow the live version: another deployment, an earlier version, and the end of the function", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, [HOURLY]);
    await deploy(holdfast, [{ ...HOURLY, cron_expression: "30 * * * *" }]);
    expect((await schedule(holdfast))?.next_run_at).toBe(Date.UTC(2026, 10, 23, 12, 30));
    const path = `/api/management/apps/${holdfast.app.app_id}/functions/report`;
    await holdfast.manage("POST", `${path}/rollback`, { json: { to: 1 } });
    expect((await schedule(holdfast))?.next_run_at).toBe(Date.UTC(2026, 10, 23, 13, 0));
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/backend-functions/report`);
    expect(await schedule(holdfast)).toBeUndefined();
  });

  it("keep their counters when another command line adds defaults and changes the order of fields", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, [HOURLY, ENTITY]);
    await holdfast.clock.jump(60 * MINUTE);
    await holdfast.server.scheduler.tick();
    const { name, ...rest } = HOURLY;
    const sent = [
      { ...rest, ends_type: "never", is_active: true, name },
      { ...ENTITY, is_active: true },
    ];
    expect((await deploy(holdfast, sent)).json).toMatchObject({ status: "unchanged" });
    await deploy(holdfast, sent, `${REPORT}\n`);
    expect(await schedule(holdfast)).toMatchObject({ runs: 1, last_outcome: "ok" });
    await deploy(holdfast, [{ ...HOURLY, is_active: false }]);
    expect(await schedule(holdfast)).toMatchObject({ runs: 0, next_run_at: null });
  });

  it("that were due while no server ran are missed, and the log reports that", { tags: "all" }, async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, [HOURLY]);
    await holdfast.clock.jump(190 * MINUTE);
    const again = await holdfast.restart();
    await again.server.scheduler.tick();
    expect((await records(again)).map(({ level, message }) => [level, message])).toEqual([
      [
        "warning",
        "The automation hourly missed 3 runs, because no server could start it in time. It does not catch up.",
      ],
    ]);
    expect(await schedule(again)).toMatchObject({ missed: 3, runs: 0, last_outcome: "missed" });
  });
});

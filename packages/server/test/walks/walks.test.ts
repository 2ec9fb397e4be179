/** The five figures of ARCHITECTURE.md are true: each step happens, in the figure's order. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import { HOUR } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { firstMissing, figure } from "./figures.ts";
import { record, type Call } from "./trace.ts";

const FUNCTION = `
import { createClientFromRequest } from "npm:@base44/sdk";
Deno.serve(async (request) => {
  const { accessToken } = await createClientFromRequest(request).asServiceRole.connectors.getConnection("googlecalendar");
  return Response.json({ length: accessToken.length });
});
`;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-walks-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function connected(options: Parameters<typeof startTestServer>[0] = {}): Promise<TestServer> {
  const holdfast = await startTestServer(options);
  await holdfast.connect("googlecalendar");
  return holdfast;
}

async function getConnection(): Promise<readonly Call[]> {
  const holdfast = await (await connected()).restart();
  return record(async () => expect((await holdfast.token("googlecalendar")).status).toBe(200));
}

async function consent(): Promise<readonly Call[]> {
  const holdfast = await startTestServer();
  await holdfast.setClient("googlecalendar");
  const builder = await holdfast.signedIn();
  return record(async () => {
    const { json } = await holdfast.initiate("googlecalendar");
    const callback = await approveConsent(await builder.start(String(json["redirect_url"])), {});
    expect((await builder.finish(callback)).text).toContain("is connected");
  });
}

async function refresh(): Promise<readonly Call[]> {
  const holdfast = await connected();
  await holdfast.clock.jump(2 * HOUR);
  return record(async () => expect((await holdfast.token("googlecalendar")).status).toBe(200));
}

async function functionCall(): Promise<readonly Call[]> {
  const holdfast = await connected();
  const files = [{ path: "entry.ts", content: FUNCTION }];
  const path = `/api/apps/${holdfast.app.app_id}/backend-functions/measure`;
  expect((await holdfast.manage("PUT", path, { json: { entry: "entry.ts", files } })).status).toBe(200);
  return record(async () => {
    const reply = await holdfast.request("POST", `/api/apps/${holdfast.app.app_id}/functions/measure`);
    expect(reply.status).toBe(200);
  });
}

async function push(): Promise<readonly Call[]> {
  const holdfast = await connected();
  const directory = join(folder(), "connectors");
  vi.stubEnv("HOLDFAST_API_KEY", holdfast.app.api_key);
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });
  const target = ["--app", holdfast.app.app_id, "--server", holdfast.url, "--dir", directory];
  expect(await main(["connectors", "pull", ...target])).toBe(0);
  return record(async () => expect(await main(["connectors", "push", ...target, "--json"])).toBe(0));
}

const TRIPS = { getConnection, consent, refresh, "function call": functionCall, push };

describe("the figures of ARCHITECTURE.md", () => {
  for (const [heading, trip] of Object.entries(TRIPS))
    it(`shows the trip "${heading}" in the order of its calls`, { timeout: 60_000 }, async () => {
      const steps = figure(heading);
      const calls = await trip();
      expect(firstMissing(steps, calls)).toBeNull();
    });

  it("are false in another order, or with a step that does not happen", () => {
    const [a, b] = [
      { file: "a.ts", name: "a" },
      { file: "b.ts", name: "b" },
    ];
    expect(firstMissing([a, b], [a, b])).toBeNull();
    expect(firstMissing([b, a], [a, b])).toEqual(a);
    expect(firstMissing([a, { ...b, name: "c" }], [a, b])).toEqual({ ...b, name: "c" });
  });
});

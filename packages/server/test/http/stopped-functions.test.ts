/**
 * Functions that are deleted or switched off while their processes run. Without a sandbox, because
 * only then can a test reach a process's bridge.
 */
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.ts";
import { until } from "../support/clock.ts";
import { appWithFunctions } from "../support/functions.ts";
import { asObject, readReply, type Reply } from "../support/http.ts";
import { startTestServer, type TestApp, type TestServer } from "../support/server.ts";

/** Gives its token away, and then responds to no call but the ones for its address. */
const LEAK = `
  export default (request) => {
    const token = request.headers.get("base44-service-authorization");
    const api = request.headers.get("base44-api-url");
    const given = JSON.stringify({ token, api }) + "\\n";
    const wanted = new URL(request.url).search;
    if (wanted === "?address") return new Response(given);
    if (wanted === "?silent") return new Promise(() => {});
    return new Response(new ReadableStream({ start: (out) => out.enqueue(new TextEncoder().encode(given)) }));
  };`;

interface Given {
  readonly token: string;
  readonly api: string;
}

interface Stage {
  readonly holdfast: TestServer;
  readonly app: TestApp;
  readonly url: string;
}

async function prepare(): Promise<Stage> {
  const holdfast = await startTestServer({ config: { functions_isolation: "none" } });
  const app = await appWithFunctions(holdfast, "leaking", { leak: LEAK, other: LEAK });
  return { holdfast, app, url: `${holdfast.url}/api/apps/${app.app_id}/functions/leak` };
}

function given(text: string): Given {
  const { token, api } = asObject(JSON.parse(text));
  return { token: String(token), api: String(api) };
}

const addressOf = async (url: string): Promise<Given> => given(await (await fetch(`${url}?address`)).text());

/** Returns the status of a call to the API with the token, or null if there is no bridge. */
async function statusOf({ app }: Stage, { token, api }: Given): Promise<number | null> {
  const path = `/api/apps/${app.app_id}/external-auth/tokens/googlecalendar`;
  // On a connection of its own: an open one outlives the bridge's listener.
  const call = request(`${api}${path}`, { agent: false, headers: { authorization: token } });
  return await new Promise((resolve) => {
    call.on("response", (response) => resolve(response.resume().statusCode ?? 0)).on("error", () => resolve(null));
    call.end();
  });
}

const exits = (stage: Stage, process: Given): Promise<true> =>
  until("the process has exited", async () => (await statusOf(stage, process)) === null);

const remove = ({ holdfast, app }: Stage): Promise<Reply> =>
  holdfast.manage("DELETE", `/api/apps/${app.app_id}/backend-functions/leak`);
const switchOff = ({ holdfast, app }: Stage): Promise<Reply> =>
  holdfast.manage("PATCH", `/api/management/apps/${app.app_id}`, { json: { functions_enabled: false } });
const removeApp = ({ holdfast, app }: Stage): Promise<Reply> =>
  holdfast.manage("DELETE", `/api/management/apps/${app.app_id}`);

describe.each([
  ["deleted", remove, "function_not_found"],
  ["switched off", switchOff, "functions_disabled"],
  ["deleted with its app", removeApp, "not_found"],
] as const)("a function that is %s", (_what, change, code) => {
  it("stops within a second: calls fail with the reason, and their tokens open nothing", async () => {
    const stage = await prepare();
    const { holdfast, url } = stage;
    const silent = fetch(`${url}?silent`).then(readReply);
    const streaming = await fetch(url);
    const reader = streaming.body!.getReader();
    const process = given(new TextDecoder().decode((await reader.read()).value));
    expect(await statusOf(stage, process)).not.toBe(401);
    expect((await change(stage)).status).toBe(200);
    await holdfast.clock.advance(LIMITS.function_recheck_ms);
    await exits(stage, process);
    expect((await silent).code).toBe(code);
    await expect(reader.read()).rejects.toThrow("terminated");
  });

  it("has no idle process a second later", async () => {
    const stage = await prepare();
    const process = await addressOf(stage.url);
    expect(await statusOf(stage, process)).toBe(401);
    expect((await change(stage)).status).toBe(200);
    await stage.holdfast.clock.advance(LIMITS.function_recheck_ms);
    await exits(stage, process);
  });
});

it("leaves the processes of other functions, and of a function that still exists", async () => {
  const stage = await prepare();
  const { holdfast, url } = stage;
  const other_url = url.replace("/leak", "/other");
  const before = [await addressOf(url), await addressOf(other_url)];
  await remove(stage);
  await holdfast.clock.advance(LIMITS.function_recheck_ms);
  await exits(stage, before[0]!);
  expect((await addressOf(other_url)).api).toBe(before[1]!.api);
});

it("stops functions that another process deletes", async () => {
  const stage = await prepare();
  const { holdfast, app } = stage;
  const process = await addressOf(stage.url);
  // As a command or another node does: this process only gets a notice of some change.
  await holdfast.installation.store.deleteFunction(app.app_id, "leak");
  holdfast.installation.functions.markStale();
  await holdfast.clock.advance(LIMITS.function_recheck_ms);
  expect(await exits(stage, process)).toBe(true);
});

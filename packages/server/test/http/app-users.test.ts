/** App users through the public `@base44/sdk`: only a verified bearer is a user. */
import { createClient } from "@base44/sdk";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openTestServer, type TestServer } from "../support/server.ts";

let holdfast: TestServer;

beforeAll(async () => {
  // Otherwise the SDK writes each error to the console.
  vi.stubEnv("NODE_ENV", "production");
  holdfast = await openTestServer();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await holdfast.close();
});

const UNKNOWN_APP = "app_00000000000000000000";

const client = (appId: string, token?: string) =>
  createClient({ serverUrl: holdfast.url, appId, ...(token === undefined ? {} : { token }) });

/** Returns bearers of every kind that exist, none of which belongs to an app user. */
const bearers = (): readonly string[] => [
  "x",
  "x.y.z",
  `${btoa('{"alg":"none"}')}.${btoa('{"sub":"u1","exp":9999999999}')}.`,
  holdfast.app.service_token,
  holdfast.app.api_key,
];

describe("a bearer that is no app user's", () => {
  it("is not authenticated for the public SDK, and auth.me() rejects", async () => {
    for (const app of [holdfast.app.app_id, UNKNOWN_APP])
      for (const bearer of bearers()) {
        const { auth } = client(app, bearer);
        expect([bearer, await auth.isAuthenticated()]).toEqual([bearer, false]);
        await expect(auth.me()).rejects.toMatchObject({ status: 401, code: "invalid_token" });
      }
  });

  it("is not authenticated without a bearer either", async () => {
    const { auth } = client(holdfast.app.app_id);
    expect(await auth.isAuthenticated()).toBe(false);
    await expect(auth.me()).rejects.toMatchObject({ status: 401, code: "missing_token" });
  });

  it("gets the same bytes from an existing and an unknown app", async () => {
    const replies = await Promise.all(
      [holdfast.app.app_id, UNKNOWN_APP, "x"].flatMap((app) =>
        bearers().map(async (bearer) => {
          const headers = { authorization: `Bearer ${bearer}`, "x-request-id": "same" };
          const { status, text } = await holdfast.request("GET", `/api/apps/${app}/entities/User/me`, { headers });
          return `${status} ${text}`;
        }),
      ),
    );
    expect(new Set(replies).size).toBe(1);
    expect(replies[0]).toMatch(/^401 /);
  });
});

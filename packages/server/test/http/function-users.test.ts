/** What a function learns about its caller: a user of its app, or none. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@base44/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { asAppId } from "../../src/core/ids.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { openTestServer, type TestServer } from "../support/server.ts";

/** The usual guard of a public function, and the header it comes from. */
const WHO = `
import { createClientFromRequest } from "npm:@base44/sdk@0.8.50";
export default async (request: Request) => {
  const { auth } = createClientFromRequest(request);
  const is_authenticated = await auth.isAuthenticated();
  const user = is_authenticated ? await auth.me() : null;
  return Response.json({ is_authenticated, user, authorization: request.headers.get("authorization") });
};
`;

let holdfast: TestServer;
let issuer: TestIssuer;
let functions_dir: string;

beforeAll(async () => {
  functions_dir = mkdtempSync(join(tmpdir(), "holdfast-functions-"));
  writeFileSync(join(functions_dir, "who.ts"), WHO);
  holdfast = await openTestServer({ functions_dir, config: { issuer_loopback: true } });
  issuer = await startIssuer();
  const oidc = { issuer: issuer.url, kind: "oidc" as const, url: null, audiences: ["shop"], secret: null };
  await holdfast.installation.appUsers.issuers.put(holdfast.app.app_id, oidc);
});
afterAll(async () => {
  issuer.close();
  await holdfast.close();
  rmSync(functions_dir, { recursive: true, force: true });
});

const NO_USER = { is_authenticated: false, user: null, authorization: null };

it("gets the token of a verified user, who is the caller of auth.me()", async () => {
  const { url: serverUrl, app } = holdfast;
  const token = issuer.token(holdfast.clock.now(), { sub: "ada", email: "ada@example.com" });
  const { functions } = createClient({ serverUrl, appId: app.app_id, token });
  const { data } = await functions.invoke("who", {});
  expect(data).toMatchObject({
    is_authenticated: true,
    user: { email: "ada@example.com", role: "user", app_id: app.app_id },
    authorization: `Bearer ${token}`,
  });
});

it("sees from its next call the role that a builder set", async () => {
  const { url: serverUrl, app, installation } = holdfast;
  const token = issuer.token(holdfast.clock.now(), { sub: "grace", role: "admin" });
  const { functions } = createClient({ serverUrl, appId: app.app_id, token });
  const seen = async (): Promise<unknown> => (await functions.invoke("who", {})).data;
  expect(await seen()).toMatchObject({ user: { role: "user" } });
  const { users } = await installation.appUsers.list(asAppId(app.app_id), null);
  const grace = users.find(({ subject }) => subject === "grace");
  await installation.appUsers.setRole(asAppId(app.app_id), grace?.id ?? "", "admin");
  expect(await seen()).toMatchObject({ user: { id: grace?.id, role: "admin" } });
});

it("gets no Authorization header except a verified user's of its app", async () => {
  const { app } = holdfast;
  const now = holdfast.clock.now();
  for (const authorization of [
    "Basic dXNlcjpwYXNz",
    "bearer x",
    "Bearer",
    "Bearer sk_live_of_a_webhook",
    `Bearer ${app.service_token}`,
    `Bearer ${app.api_key}`,
    `Bearer ${issuer.token(now, { aud: "blog" })}`,
    `Bearer ${issuer.token(now, { exp: 1 })}`,
  ]) {
    const reply = await holdfast.request("POST", `/api/apps/${app.app_id}/functions/who`, {
      headers: { authorization },
    });
    expect([authorization, reply.json]).toEqual([authorization, NO_USER]);
  }
  expect((await holdfast.request("POST", `/api/apps/${app.app_id}/functions/who`)).json).toEqual(NO_USER);
});

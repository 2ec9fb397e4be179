/**
 * Every route of the server by role, for the caller's own app and another one. A refused request
 * must get the right error and change nothing. An allowed request can end in any other reply.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { capped, roleReaches, type Role, type Scope } from "../../src/core/roles.ts";
import type { AppId, UserId, WorkspaceId } from "../../src/core/types.ts";
import { routesOf } from "../../src/http/route-table.ts";
import { createHttpServer } from "../../src/http/server.ts";
import type { Reply } from "../support/http.ts";
import { addAccount, openTestServer, type TestServer } from "../support/server.ts";
import { MATRIX, type BuilderLine, type Line } from "./matrix.ts";

let holdfast: TestServer;
let cookies: Readonly<Record<Role | "other", string>>;
let people: Readonly<Record<Role | "other", UserId>>;

beforeAll(async () => {
  holdfast = await openTestServer({ limits: { workspaces_per_user: 10_000 } });
  const { store } = holdfast.installation;
  const { workspace_id, user_id: owner } = holdfast.builder;
  const add = (role: Role) => addAccount(store, { name: role, email: `${role}@example.com`, workspace_id, role });
  // They have the same roles in the first workspace, which decides for the whole installation.
  const [admin, editor, viewer] = [await add("admin"), await add("editor"), await add("viewer")];
  const elsewhere = await holdfast.installation.accounts.createWorkspace("elsewhere", owner);
  const other = await addAccount(store, {
    name: "other",
    email: "other@example.com",
    workspace_id: elsewhere,
    role: "owner",
  });
  people = { owner, admin, editor, viewer, other };
  const signedIn = async (user_id: UserId) =>
    [...(await holdfast.signedIn(user_id)).cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  cookies = {
    owner: await signedIn(owner),
    admin: await signedIn(admin),
    editor: await signedIn(editor),
    viewer: await signedIn(viewer),
    other: await signedIn(other),
  };
});

afterAll(() => holdfast.close());

/** A separate workspace, for a request that can change it. */
interface World {
  readonly workspace_id: WorkspaceId;
  readonly app_id: AppId;
  readonly service_token: string;
  key(scope: Scope): Promise<string>;
}

async function makeWorld(name: string): Promise<World> {
  const { installation } = holdfast;
  const workspace_id = await installation.accounts.createWorkspace(name, people.owner);
  await installation.store.transaction(async (tx) => {
    for (const role of ["admin", "editor", "viewer"] as const) {
      const member = { id: newId("mem"), workspace_id, user_id: people[role], role, created_at: tx.now };
      await tx.db.insertInto("auth_member").values(member).execute();
    }
  });
  const created = await installation.apps.create("shop", { workspace_id, user_id: people.owner });
  return {
    workspace_id,
    app_id: created.app_id,
    service_token: created.service_token.expose(),
    async key(scope) {
      const named = { workspace_id, user_id: people.owner, name: scope, scope, expires_at: null };
      return (await installation.apiKeys.create(named)).api_key.expose();
    },
  };
}

interface Caller {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The role in the world's workspace. Null: not a member. */
  readonly role: Role | null;
  readonly is_key: boolean;
}

async function callersOf(world: World): Promise<readonly Caller[]> {
  const origin = holdfast.config.public_url;
  const person = (name: Role | "other"): Caller => ({
    name,
    headers: { cookie: cookies[name], origin },
    role: name === "other" ? null : name,
    is_key: false,
  });
  const keys = await Promise.all(
    (["read", "write", "admin"] as const).map(async (scope) => ({
      name: `key with scope ${scope}`,
      headers: { api_key: await world.key(scope) },
      role: capped("owner", scope),
      is_key: true,
    })),
  );
  const elsewhere = await makeWorld("another");
  const foreign = { name: "a key of elsewhere", headers: { api_key: await elsewhere.key("admin") }, is_key: true };
  return [
    ...(["owner", "admin", "editor", "viewer", "other"] as const).map(person),
    ...keys,
    { ...foreign, role: null },
  ];
}

interface Ids {
  readonly app: string;
  readonly workspace: string;
}

const MISSING: Ids = { app: "app_00000000000000000000", workspace: "wsp_00000000000000000000" };

async function call(route: string, line: Line, ids: Ids, headers: Caller["headers"]): Promise<Reply> {
  const [method = "", pattern = ""] = route.split(" ");
  const fill = (text: string): string =>
    text.replaceAll("{app}", ids.app).replaceAll("{workspace}", ids.workspace).replaceAll("{viewer}", people.viewer);
  const path = pattern
    .replace(":app", ids.app)
    .replace(":workspace", ids.workspace)
    .replace(":integration_type", "slack")
    .replace(":user", people.viewer)
    .replace("*", "hello")
    .replaceAll(/:[a-z]+/g, "x");
  const { query, json }: { query?: string; json?: unknown } = line.by === "builder" ? line : {};
  const body = json === undefined ? {} : { json: JSON.parse(fill(JSON.stringify(json))) as unknown };
  return holdfast.request(method, `${path}${query === undefined ? "" : `?${fill(query)}`}`, {
    headers: { "x-request-id": "same", ...headers },
    ...body,
  });
}

const refusalOf = ({ status, code }: Reply): string => `${status} ${code}`;
const bytesOf = ({ status, text }: Reply): string => `${status} ${text}`;
const isStranger = ({ status, text }: Reply): boolean => status === 404 && /no such (?:app|workspace)/.test(text);

const lines = Object.entries(MATRIX);
const isBuilder = (entry: readonly [string, Line]): entry is [string, BuilderLine] => entry[1].by === "builder";
const of = (by: Line["by"]) => lines.filter(([, line]) => line.by === by);

describe("the matrix", () => {
  it("has a line for every route, and none for an unknown route", async () => {
    const { installation } = holdfast;
    const http = await createHttpServer({ ...installation, functionRunner: null, ready: () => Promise.resolve(true) });
    await http.ready();
    expect(routesOf(http)).toEqual(Object.keys(MATRIX).toSorted());
    await http.close();
  });
});

describe("a builder's route", () => {
  it.for(lines.filter(isBuilder))("%s admits the callers on its line, and no others", async ([route, line]) => {
    const wrong: string[] = [];
    const base = await makeWorld(`base of ${route}`.slice(0, 100));
    const own: Ids = { app: base.app_id, workspace: base.workspace_id };
    const expectIs = (who: string, found: string, wanted: string): void => {
      if (found !== wanted) wrong.push(`${who}: ${found} instead of ${wanted}`);
    };

    expectIs("nobody", refusalOf(await call(route, line, own, {})), "401 missing_token");
    const service = { authorization: `Bearer ${base.service_token}` };
    expectIs("a service token", refusalOf(await call(route, line, own, service)), "403 builder_required");

    for (const caller of await callersOf(base)) {
      const { name, headers } = caller;
      if (line.person === true && caller.is_key) {
        expectIs(name, refusalOf(await call(route, line, own, headers)), "403 insufficient_role");
      } else if (line.on === "app" || line.on === "workspace") {
        if (caller.role === null) {
          // The same bytes as for an unknown one.
          const missing = bytesOf(await call(route, line, MISSING, headers));
          expectIs(name, bytesOf(await call(route, line, own, headers)), missing);
          expectIs(name, missing.slice(0, 4), "404 ");
        } else if (roleReaches(caller.role, line.least)) {
          wrong.push(...(await allowed(route, line, caller)));
        } else {
          expectIs(name, refusalOf(await call(route, line, own, headers)), "403 insufficient_role");
          const missing = await call(route, line, MISSING, headers);
          expectIs(`${name}, elsewhere`, String(isStranger(missing)), "true");
        }
      } else if (line.on === "installation") {
        // A key is for its own workspace, which is not the first one.
        const role = caller.is_key ? null : caller.role;
        const reply = await call(route, line, own, headers);
        const is_allowed = role !== null && roleReaches(role, line.least);
        expectIs(name, String(reply.code === "insufficient_role"), String(!is_allowed));
      } else {
        expectIs(name, String((await call(route, line, own, headers)).status), "200");
      }
    }
    expect(wrong).toEqual([]);
  });
});

/** Runs in a workspace created for it, which can be deleted afterwards. */
async function allowed(route: string, line: BuilderLine, { name }: Caller): Promise<readonly string[]> {
  const world = await makeWorld("scratch");
  const caller = (await callersOf(world)).find((one) => one.name === name);
  if (caller === undefined) throw new Error(`There is no ${name}.`);
  const reply = await call(route, line, { app: world.app_id, workspace: world.workspace_id }, caller.headers);
  const is_refused = reply.status === 401 || reply.status === 403 || isStranger(reply) || reply.status >= 500;
  return is_refused ? [`${name}: ${refusalOf(reply)}, and it is allowed`] : [];
}

describe("an app's route", () => {
  it.for(of("service_token"))("%s is for the app's own tokens", async ([route, line]) => {
    const [mine, foreign] = [await makeWorld("mine"), await makeWorld("foreign")];
    const ids = { app: mine.app_id, workspace: "" };
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    expect(refusalOf(await call(route, line, ids, bearer(mine.service_token)))).toBe("404 not_connected");
    expect(bytesOf(await call(route, line, ids, bearer(foreign.service_token)))).toBe(
      bytesOf(await call(route, line, MISSING, bearer(foreign.service_token))),
    );
    expect(refusalOf(await call(route, line, ids, bearer(foreign.service_token)))).toBe("404 not_found");
    expect(refusalOf(await call(route, line, ids, { api_key: await mine.key("admin") }))).toBe(
      "403 service_token_required",
    );
    expect(refusalOf(await call(route, line, ids, { cookie: cookies.owner }))).toBe("401 missing_token");
    expect(refusalOf(await call(route, line, ids, {}))).toBe("401 missing_token");
  });
});

describe("a page", () => {
  it.for([...of("page"), ...of("form")])(
    "%s requires a browser session, and accepts nothing else",
    async ([route, line]) => {
      const world = await makeWorld("pages");
      const ids = { app: world.app_id, workspace: world.workspace_id };
      for (const headers of [
        {},
        { api_key: await world.key("admin") },
        { authorization: `Bearer ${world.service_token}` },
      ])
        expect(refusalOf(await call(route, line, ids, headers))).toBe("401 sign_in_required");
    },
  );

  it.for(of("form"))("%s refuses a form without its token", async ([route, line]) => {
    const world = await makeWorld("forms");
    const ids = { app: world.app_id, workspace: world.workspace_id };
    const headers = { cookie: cookies.owner, origin: holdfast.config.public_url };
    const reply = await call(route, line, ids, { ...headers, "content-type": "application/x-www-form-urlencoded" });
    expect(refusalOf(reply)).toBe("403 csrf");
  });

  it("of an app is for its editors, and others get not found", async () => {
    const world = await makeWorld("connect page");
    const route = "GET /apps/:app/connect/:integration_type";
    const ask = (name: Role | "other", app: string = world.app_id) =>
      call(route, { by: "page" }, { app, workspace: "" }, { cookie: cookies[name] });
    expect((await ask("editor")).status).toBe(200);
    expect(refusalOf(await ask("viewer"))).toBe("403 insufficient_role");
    expect(bytesOf(await ask("other"))).toBe(bytesOf(await ask("other", MISSING.app)));
    expect((await ask("other")).status).toBe(404);
  });

  it("of a consent is for its initiator, while they are an editor", async () => {
    const world = await makeWorld("flows");
    await holdfast.setClient("slack");
    const initiated = await holdfast.installation.connect.initiate({
      app_id: world.app_id,
      integration_type: "slack",
      scopes: [],
      config: null,
      initiator: people.editor,
      return_to: null,
    });
    const path = new URL(initiated.redirect_url ?? "").pathname;
    const ask = (name: Role | "other") => holdfast.request("GET", path, { headers: { cookie: cookies[name] } });
    expect((await ask("editor")).status).toBe(200);
    for (const name of ["owner", "other"] as const) expect(refusalOf(await ask(name))).toBe("403 flow_user_mismatch");
    await holdfast.installation.store.setRole(world.workspace_id, people.editor, "viewer", "owner");
    expect(refusalOf(await ask("editor"))).toBe("403 insufficient_role");
  });
});

describe("a link", () => {
  it.for(of("link").filter(([route]) => route.includes(":token")))(
    "%s refuses an unknown token",
    async ([route, line]) => {
      const headers = { cookie: cookies.owner, origin: holdfast.config.public_url };
      expect((await call(route, line, MISSING, headers)).status).toBe(400);
    },
  );
});

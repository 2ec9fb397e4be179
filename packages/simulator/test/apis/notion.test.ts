/** Notion: pages, databases and blocks, against recorded replies. */
import { describe, expect, it } from "vitest";
import { simulation } from "../application.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const V1 = "api.notion.com/v1";
const headers = { "notion-version": "2022-06-28" };
const notion = async (): Promise<Api> => apiAt(await simulation(), "notion", "notion", { headers });

const search = async (api: Api, value: string): Promise<string> =>
  textAt(await api.call(`POST ${V1}/search`, { json: { filter: { property: "object", value } } }), "results.0.id");

const task = (name: string, status: string, due: string, done = false) => ({
  Name: { title: [{ text: { content: name } }] },
  Status: { select: { name: status } },
  Due: { date: { start: due } },
  Done: { checkbox: done },
});

/** Returns an account with three tasks in its database. */
async function tasks() {
  const api = await notion();
  const database_id = await search(api, "database");
  const create = (properties: unknown, more = {}) =>
    api.call(`POST ${V1}/pages`, { json: { parent: { database_id }, properties, ...more } });
  await create(task("Write", "Open", "2026-12-03"));
  await create(task("Read", "Open", "2026-12-01", true));
  await create(task("Rest", "Later", "2027-01-01"));
  const query = async (json: unknown) => {
    const reply = await api.call(`POST ${V1}/databases/${database_id}/query`, { json });
    const names = [0, 1, 2].map((n) => at(reply.json, `results.${n}.properties.Name.title.0.plain_text`));
    return { reply, names: names.filter((name) => name !== undefined) };
  };
  return { api, database_id, create, query };
}

describe("Notion", () => {
  it("replies in the recorded shapes", async () => {
    const { api, database_id, create, query } = await tasks();
    const paragraph = { paragraph: { rich_text: [{ text: { content: "Details" } }] } };
    const page = await create(task("Plan", "Open", "2026-12-24"), { children: [paragraph] });
    expect(differences("notion", "pages.create", page)).toEqual([]);
    const id = textAt(page, "id");
    expect((await api.call(`GET ${V1}/pages/${id.replaceAll("-", "")}`)).json).toEqual(page.json);
    expect(differences("notion", "databases.query", (await query({ page_size: 100 })).reply)).toEqual([]);
    const database = await api.call(`GET ${V1}/databases/${database_id}`);
    expect(differences("notion", "databases.retrieve", database)).toEqual([]);
    expect(differences("notion", "blocks.children", await api.call(`GET ${V1}/blocks/${id}/children`))).toEqual([]);
    expect(differences("notion", "error not found", await api.call(`GET ${V1}/pages/none`))).toEqual([]);
    expect(differences("notion", "error validation", await api.call(`POST ${V1}/pages`, { json: {} }))).toEqual([]);
  });

  it("queries a database by filter, order and page, at both versions of the path", async () => {
    const { api, database_id, query } = await tasks();
    const open = { property: "Status", select: { equals: "Open" } };
    const sorts = [{ property: "Due", direction: "ascending" }];
    expect((await query({ filter: open, sorts })).names).toEqual(["Read", "Write"]);
    const both = { and: [open, { property: "Done", checkbox: { equals: false } }] };
    expect((await query({ filter: both })).names).toEqual(["Write"]);
    const either = {
      or: [
        { property: "Name", title: { contains: "res" } },
        { property: "Due", date: { before: "2026-12-02" } },
      ],
    };
    expect((await query({ filter: either, sorts })).names).toEqual(["Read", "Rest"]);
    const first = await query({ sorts, page_size: 2 });
    expect([first.names, first.reply.json["has_more"]]).toEqual([["Read", "Write"], true]);
    const rest = await query({ sorts, page_size: 2, start_cursor: first.reply.json["next_cursor"] });
    expect([rest.names, rest.reply.json["next_cursor"]]).toEqual([["Rest"], null]);
    const source = await api.call(`POST ${V1}/data_sources/${database_id}/query`, { json: {} });
    expect(at(source.json, "results.2.object")).toBe("page");
  });

  it("updates properties, and takes a page into the trash out of queries", async () => {
    const { api, query } = await tasks();
    const { reply } = await query({ filter: { property: "Name", title: { equals: "Write" } } });
    const id = textAt(reply, "results.0.id");
    await api.call(`PATCH ${V1}/pages/${id}`, { json: { properties: { Done: { checkbox: true } } } });
    const done = { filter: { property: "Done", checkbox: { equals: true } } };
    expect((await query(done)).names).toEqual(["Write", "Read"]);
    expect((await api.call(`PATCH ${V1}/pages/${id}`, { json: { in_trash: true } })).json["archived"]).toBe(true);
    expect((await query(done)).names).toEqual(["Read"]);
  });

  it("appends blocks to a page, and creates a database below it", async () => {
    const api = await notion();
    const page_id = await search(api, "page");
    const children = [
      { object: "block", type: "to_do", to_do: { rich_text: [{ text: { content: "Milk" } }], checked: false } },
    ];
    await api.call(`PATCH ${V1}/blocks/${page_id}/children`, { json: { children } });
    const read = await api.call(`GET ${V1}/blocks/${page_id}/children`);
    expect(at(read.json, "results.0.to_do")).toMatchObject({ checked: false, rich_text: [{ plain_text: "Milk" }] });
    const title = [{ text: { content: "Log" } }];
    const database = await api.call(`POST ${V1}/databases`, {
      json: { parent: { page_id }, title, properties: { Entry: { title: {} } } },
    });
    const parent = { database_id: textAt(database, "id") };
    const entry = { Entry: { title: [{ text: { content: "First" } }] } };
    expect((await api.call(`POST ${V1}/pages`, { json: { parent, properties: entry } })).status).toBe(200);
    expect(api.state().objects.map(({ collection, account }) => `${collection} ${account}`)).toEqual([
      "blocks acme",
      "databases acme",
      "pages acme",
    ]);
  });

  it("leaves a page in the state as it was sent", async () => {
    const { api, database_id } = await tasks();
    expect(api.state().objects[0]).toMatchObject({
      collection: "pages",
      account: "acme",
      data: { parent: { type: "database_id", database_id }, properties: task("Write", "Open", "2026-12-03") },
    });
  });

  it("refuses unknown properties, wrong types, unknown parents, bad filters and blocks", async () => {
    const { api, create, query } = await tasks();
    const name = { Name: { title: [{ text: { content: "x" } }] } };
    const page_id = await search(api, "page");
    const refusals = [
      [await create({ ...name, Nope: { number: 1 } }), 400, "Nope is not a property that exists."],
      [await create({ ...name, Done: { number: 1 } }), 400, "Done is expected to be checkbox."],
      [await create(name, { parent: { database_id: "none" } }), 404, "Could not find database with ID: none."],
      [await create(name, { children: [{ paragraph: "text" }] }), 400, "body.children[0]"],
      [await api.call(`POST ${V1}/pages`, { json: { parent: { page_id } } }), 400, "body.properties should be defined"],
      [(await query({ filter: { property: "Nope", number: { equals: 1 } } })).reply, 400, "Could not find property"],
      [(await query({ filter: { property: "Done", number: { equals: 1 } } })).reply, 400, "does not match filter"],
      [(await query({ filter: { property: "Name", title: { like: "x" } } })).reply, 400, "body failed validation"],
      [(await query({ page_size: 0 })).reply, 400, "page_size"],
      [
        await api.call(`GET ${V1}/pages/${page_id}`, { headers: { "notion-version": "latest" } }),
        400,
        "Notion-Version",
      ],
    ] as const;
    for (const [reply, status, words] of refusals)
      expect([reply.status, reply.text]).toEqual([status, expect.stringContaining(words)]);
  });
});

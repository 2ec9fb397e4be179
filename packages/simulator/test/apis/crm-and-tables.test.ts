/** HubSpot and Airtable, against recorded replies. */
import { describe, expect, it } from "vitest";
import { simulation } from "../application.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const OBJECTS = "api.hubapi.com/crm/v3/objects";
const CRM = ["contacts", "companies", "deals"].flatMap((name) => [
  `crm.objects.${name}.read`,
  `crm.objects.${name}.write`,
]);
const hubspot = async (scope = CRM.join(" ")): Promise<Api> =>
  apiAt(await simulation(), "hubspot", "hubspot", { scope });

const contact = (email: string, more = {}) => ({
  properties: { email, firstname: "Ada", lastname: "Example", ...more },
});
const create = (api: Api, json: unknown, type = "contacts") => api.call(`POST ${OBJECTS}/${type}`, { json });

describe("HubSpot", () => {
  it("replies in the recorded shapes", async () => {
    const api = await hubspot();
    const created = await create(api, contact("ada@example.com"));
    expect(differences("hubspot", "contacts.create", created)).toEqual([]);
    expect(differences("hubspot", "contacts.list", await api.call(`GET ${OBJECTS}/contacts?limit=1`))).toEqual([]);
    const search = {
      filterGroups: [{ filters: [{ propertyName: "email", operator: "EQ", value: "ada@example.com" }] }],
    };
    const found = await api.call(`POST ${OBJECTS}/contacts/search`, { json: search });
    expect(differences("hubspot", "contacts.search", found)).toEqual([]);
    const batch = { json: { inputs: [contact("bob@example.com")] } };
    const made = await api.call(`POST ${OBJECTS}/contacts/batch/create`, batch);
    expect(differences("hubspot", "contacts.batch create", made)).toEqual([]);
    const deal = { properties: { dealname: "New site", amount: 1500, dealstage: "appointmentscheduled" } };
    expect(differences("hubspot", "deals.create", await create(api, deal, "deals"))).toEqual([]);
    expect(differences("hubspot", "error conflict", await create(api, contact("ada@example.com")))).toEqual([]);
    expect(differences("hubspot", "error invalid", await create(api, contact("no address")))).toEqual([]);
    expect(differences("hubspot", "error not found", await api.call(`GET ${OBJECTS}/contacts/999`))).toEqual([]);
  });

  it("finds what was created, by filters, words, order and page", async () => {
    const api = await hubspot();
    for (const [name, amount] of [
      ["Small", 100],
      ["Large", 9000],
      ["Middle", 1500],
    ] as const) {
      await create(api, { properties: { dealname: `${name} deal`, amount } }, "deals");
    }
    const search = async (json: unknown) => {
      const { json: body } = await api.call(`POST ${OBJECTS}/deals/search`, { json });
      return [body["total"], ...[0, 1, 2].map((n) => at(body, `results.${n}.properties.dealname`))].filter(
        (one) => one !== undefined,
      );
    };
    const above = { propertyName: "amount", operator: "GTE", value: "1500" };
    const sorts = [{ propertyName: "amount", direction: "DESCENDING" }];
    expect(await search({ filterGroups: [{ filters: [above] }], sorts })).toEqual([2, "Large deal", "Middle deal"]);
    expect(await search({ query: "small" })).toEqual([1, "Small deal"]);
    expect(await search({ sorts, limit: 1, after: "1" })).toEqual([3, "Middle deal"]);
    const either = [
      { filters: [{ ...above, operator: "LT", value: "500" }] },
      { filters: [{ ...above, operator: "GT", value: "5000" }] },
    ];
    expect(await search({ filterGroups: either, sorts: ["amount"] })).toEqual([2, "Small deal", "Large deal"]);
  });

  it("updates by id and by email, at both versions of the path, for everyone in the portal", async () => {
    const api = await hubspot();
    const id = textAt(await create(api, contact("ada@example.com")), "id");
    await api.call(`PATCH ${OBJECTS}/contacts/${id}`, { json: { properties: { phone: "123", lastname: "" } } });
    const colleague = await apiAt(api.simulator, "hubspot", "hubspot", { account: "bob", scope: CRM.join(" ") });
    const read = await colleague.call(
      "GET api.hubapi.com/crm/objects/2026-03/contacts/ada@example.com?idProperty=email&properties=phone",
    );
    expect(read.json["properties"]).toMatchObject({ firstname: "Ada", lastname: null, phone: "123" });
    expect((await api.call(`DELETE ${OBJECTS}/contacts/${id}`)).status).toBe(204);
    expect((await colleague.call(`GET ${OBJECTS}/0-1/${id}`)).status).toBe(404);
  });

  it("leaves objects in the state as texts, as HubSpot keeps them", async () => {
    const api = await hubspot();
    await create(api, { properties: { dealname: "New site", amount: 1500 } }, "deals");
    expect(api.state().objects).toMatchObject([
      {
        collection: "deals",
        account: "acme",
        change: "created",
        data: { properties: { dealname: "New site", amount: "1500" } },
      },
    ]);
  });

  it("refuses a search that it does not know, an empty object, and writing with a scope to read", async () => {
    const api = await hubspot();
    const filter = { propertyName: "email", operator: "LIKE", value: "x" };
    const refusals = [
      [
        await api.call(`POST ${OBJECTS}/contacts/search`, { json: { filterGroups: [{ filters: [filter] }] } }),
        400,
        "VALIDATION_ERROR",
      ],
      [await create(api, {}), 400, "VALIDATION_ERROR"],
      [await api.call(`POST ${OBJECTS}/contacts/batch/create`, { json: { inputs: [] } }), 400, "VALIDATION_ERROR"],
      [await create(await hubspot("crm.objects.contacts.read"), contact("a@b.example")), 403, "MISSING_SCOPES"],
    ] as const;
    for (const [reply, status, category] of refusals) {
      expect([reply.status, reply.json["category"]]).toEqual([status, category]);
    }
  });
});

const TABLE = "api.airtable.com/v0/appABCDEFGHIJKLMN/Orders";
const airtable = async (scope = "data.records:read data.records:write"): Promise<Api> =>
  apiAt(await simulation(), "airtable", "airtable", { scope });
const row = (Name: string, Amount: number) => ({ fields: { Name, Amount } });

describe("Airtable", () => {
  it("replies in the recorded shapes", async () => {
    const api = await airtable();
    const created = await api.call(`POST ${TABLE}`, { json: { records: [row("A", 1), row("B", 2)] } });
    expect(differences("airtable", "create", created)).toEqual([]);
    expect(differences("airtable", "create one", await api.call(`POST ${TABLE}`, { json: row("C", 3) }))).toEqual([]);
    expect(differences("airtable", "list", await api.call(`GET ${TABLE}?pageSize=1`))).toEqual([]);
    const id = textAt(created, "records.0.id");
    expect(differences("airtable", "get", await api.call(`GET ${TABLE}/${id}`))).toEqual([]);
    const changed = await api.call(`PATCH ${TABLE}/${id}`, { json: { fields: { Amount: 9 } } });
    expect(differences("airtable", "update", changed)).toEqual([]);
    expect(differences("airtable", "delete", await api.call(`DELETE ${TABLE}/${id}`))).toEqual([]);
    expect(differences("airtable", "error no record", await api.call(`GET ${TABLE}/${id}`))).toEqual([]);
    expect(differences("airtable", "error no fields", await api.call(`POST ${TABLE}`, { json: {} }))).toEqual([]);
  });

  it("lists what was created by formula, order, fields and page", async () => {
    const api = await airtable();
    await api.call(`POST ${TABLE}`, { json: { records: [row("Pear", 3), row("Apple", 1), row("Plum", 2)] } });
    const names = async (query: Readonly<Record<string, string>>) => {
      const { json } = await api.call(`GET ${TABLE}?${new URLSearchParams(query).toString()}`);
      return [0, 1, 2].map((n) => at(json, `records.${n}.fields.Name`)).filter((one) => one !== undefined);
    };
    expect(await names({ "sort[0][field]": "Amount", "sort[0][direction]": "desc" })).toEqual([
      "Pear",
      "Plum",
      "Apple",
    ]);
    expect(await names({ filterByFormula: "AND({Amount} >= 2, FIND('P', {Name}) = 1)" })).toEqual(["Pear", "Plum"]);
    expect(await names({ filterByFormula: "LOWER({Name}) = 'apple'" })).toEqual(["Apple"]);
    expect(await names({ filterByFormula: "NOT({Name} = 'Pear')", maxRecords: "1" })).toEqual(["Apple"]);
    const first = await api.call(`POST ${TABLE}/listRecords`, { json: { pageSize: 2, fields: ["Name"] } });
    expect(at(first.json, "records.0.fields")).toEqual({ Name: "Pear" });
    expect(await names({ pageSize: "2", offset: textAt(first, "offset") })).toEqual(["Plum"]);
  });

  it("replaces with PUT, keeps other fields with PATCH, and keeps tables apart", async () => {
    const api = await airtable();
    const id = textAt(await api.call(`POST ${TABLE}`, { json: row("A", 1) }), "id");
    const patched = await api.call(`PATCH ${TABLE}`, { json: { records: [{ id, fields: { Amount: 2 } }] } });
    expect(at(patched.json, "records.0.fields")).toEqual({ Name: "A", Amount: 2 });
    expect((await api.call(`PUT ${TABLE}/${id}`, { json: { fields: { Amount: 3 } } })).json["fields"]).toEqual({
      Amount: 3,
    });
    expect((await api.call("GET api.airtable.com/v0/appABCDEFGHIJKLMN/Other")).json["records"]).toEqual([]);
    expect(api.state().objects).toMatchObject([
      { collection: "records", id, data: { base: "appABCDEFGHIJKLMN", table: "Orders", fields: { Amount: 3 } } },
    ]);
  });

  it("refuses a bad base, formula, record, batch, and a scope to read", async () => {
    const api = await airtable();
    const records = Array.from({ length: 11 }, (_, n) => row("x", n));
    const refusals = [
      [await api.call("GET api.airtable.com/v0/nobase/Orders"), 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"],
      [
        await api.call(`GET ${TABLE}?filterByFormula=${encodeURIComponent("NOPE({x})")}`),
        422,
        "INVALID_FILTER_BY_FORMULA",
      ],
      [await api.call(`POST ${TABLE}`, { json: { records } }), 422, "INVALID_REQUEST_UNKNOWN"],
      [
        await api.call(`PATCH ${TABLE}`, { json: { records: [{ id: "recNone", ...row("x", 1) }] } }),
        422,
        "ROW_DOES_NOT_EXIST",
      ],
      [
        await (await airtable("data.records:read")).call(`POST ${TABLE}`, { json: row("x", 1) }),
        403,
        "INVALID_PERMISSIONS",
      ],
    ] as const;
    for (const [reply, status, type] of refusals) {
      expect([reply.status, at(reply.json, "error.type")]).toEqual([status, type]);
    }
    expect(api.state().objects).toEqual([]);
  });
});

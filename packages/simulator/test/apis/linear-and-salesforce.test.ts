/** Linear and Salesforce, against recorded replies. */
import { describe, expect, it } from "vitest";
import { simulation } from "../application.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const linear = async (scope = "read,write"): Promise<Api> => apiAt(await simulation(), "linear", "linear", { scope });
const ask = (api: Api, query: string, variables = {}) =>
  api.call("POST api.linear.app/graphql", { json: { query, variables } });

const ISSUE = `fragment Shown on Issue {
  id identifier number title description priority priorityLabel url createdAt
  state { name type } team { key } assignee { email } labels { nodes { name } }
}`;
const CREATE = `mutation Create($input: IssueCreateInput!) {
  issueCreate(input: $input) { success lastSyncId issue { ...Shown } }
} ${ISSUE}`;

/** Returns the id of the team and of a state. */
async function teamOf(api: Api): Promise<{ readonly team: string; readonly done: string }> {
  const reply = await ask(api, '{ teams { nodes { id states(filter: { name: { eq: "Done" } }) { nodes { id } } } } }');
  return { team: textAt(reply, "data.teams.nodes.0.id"), done: textAt(reply, "data.teams.nodes.0.states.nodes.0.id") };
}

describe("Linear", () => {
  it("replies in the recorded shapes", async () => {
    const api = await linear();
    const { team } = await teamOf(api);
    const created = await ask(api, CREATE, { input: { teamId: team, title: "Fix it" } });
    expect(differences("linear", "issueCreate", created)).toEqual([]);
    const page = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
    const issues = await ask(api, `{ issues(first: 5) { nodes { ...Shown } ${page} } } ${ISSUE}`);
    expect(differences("linear", "issues", issues)).toEqual([]);
    expect(differences("linear", "error validation", await ask(api, "{ issues { nodes { nope } } }"))).toEqual([]);
  });

  it("finds what was created and changed, by filter, page, alias and identifier", async () => {
    const api = await linear();
    const { team, done } = await teamOf(api);
    for (const title of ["One", "Two"]) await ask(api, CREATE, { input: { teamId: team, title, priority: 2 } });
    const changed = await ask(
      api,
      'mutation($state: String!) { issueUpdate(id: "ENG-2", input: { stateId: $state, title: "First" }) { issue { completedAt } } }',
      { state: done },
    );
    expect(textAt(changed, "data.issueUpdate.issue.completedAt")).toMatch(/^2026-/);
    const found = await ask(
      api,
      `query Find($name: String = "Done", $more: Boolean!) {
        done: issues(filter: { state: { name: { eq: $name } } }) { nodes { title } }
        urgent: issues(filter: { priority: { lte: 2, gte: 1 }, title: { containsIgnoreCase: "tw" } }) { nodes { identifier } }
        issue(id: "ENG-3") { title description @include(if: $more) }
      }`,
      { more: false },
    );
    expect(found.json["data"]).toEqual({
      done: { nodes: [{ title: "First" }] },
      urgent: { nodes: [{ identifier: "ENG-3" }] },
      issue: { title: "Two" },
    });
    const first = await ask(api, "{ issues(first: 2) { nodes { number } pageInfo { endCursor hasNextPage } } }");
    const after = textAt(first, "data.issues.pageInfo.endCursor");
    const rest = await ask(api, `{ issues(first: 2, after: "${after}") { nodes { title } edges { cursor } } }`);
    expect(at(rest.json, "data.issues")).toEqual({ nodes: [{ title: "Welcome to Linear" }], edges: [{ cursor: "3" }] });
  });

  it("returns members of the published schema that it does not fill, for clients generated from it", async () => {
    const api = await linear();
    const issue =
      "__typename trashed previousIdentifiers cycle { id } team { issueCount private } creator { isMe lastSeen }";
    expect(at((await ask(api, `{ issues { nodes { ${issue} } } }`)).json, "data.issues.nodes.0")).toEqual({
      __typename: "Issue",
      trashed: null,
      previousIdentifiers: [],
      cycle: null,
      team: { issueCount: null, private: false },
      creator: { isMe: false, lastSeen: null },
    });
  });

  it("leaves issues and comments in the state as they were sent", async () => {
    const api = await linear("read,issues:create,comments:create");
    const { team } = await teamOf(api);
    await ask(api, CREATE, { input: { teamId: team, title: "Fix it", description: "Soon" } });
    const comment =
      'mutation { commentCreate(input: { issueId: "ENG-2", body: "On it" }) { comment { body issue { title } } } }';
    expect(at((await ask(api, comment)).json, "data.commentCreate.comment")).toEqual({
      body: "On it",
      issue: { title: "Fix it" },
    });
    expect(api.state().objects).toMatchObject([
      { collection: "issues", account: "acme", data: { teamId: team, title: "Fix it", description: "Soon" } },
      { collection: "comments", data: { body: "On it" } },
    ]);
  });

  it("refuses bad syntax, missing and unknown input, endless fragments, and writing with scope read", async () => {
    const api = await linear();
    const { team } = await teamOf(api);
    const refusals = [
      [await ask(api, "{ viewer { id "), 400, "Unexpected <EOF>"],
      [await ask(api, "{ viewer }"), 400, "must have a selection of subfields"],
      [await ask(api, CREATE, { input: { title: "x" } }), 400, "teamId"],
      [await ask(api, CREATE, { input: { teamId: "none", title: "x" } }), 200, "Entity not found: Team"],
      [await ask(api, CREATE, { input: { teamId: team, title: "x", priority: 9 } }), 200, "priority"],
      [await ask(api, '{ issue(id: "ENG-99") { id } }'), 200, "Entity not found: Issue"],
      [await ask(api, "{ issues(first: 1000) { nodes { id } } }"), 200, "first must be"],
      [await ask(api, "{ viewer { ...A } } fragment A on User { ...A }"), 400, "within itself"],
      [await ask(api, `{ viewer ${"{ organization ".repeat(30)}`), 400, "nested too deeply"],
      [await ask(await linear("read"), CREATE, { input: { teamId: team, title: "x" } }), 403, "`write` required"],
    ] as const;
    for (const [reply, status, words] of refusals) {
      expect([reply.status, textAt(reply, "errors.0.message")]).toEqual([status, expect.stringContaining(words)]);
    }
    expect(api.state().objects).toEqual([]);
  });
});

const DATA = "acme.my.salesforce.com/services/data/v64.0";
const salesforce = async (scope = "api refresh_token"): Promise<Api> =>
  apiAt(await simulation(), "salesforce", "salesforce", { scope });
const query = (api: Api, soql: string) =>
  api.call(`GET ${DATA}/query?q=${encodeURIComponent(soql).replaceAll("%20", "+")}`);
const create = (api: Api, type: string, json: unknown) => api.call(`POST ${DATA}/sobjects/${type}`, { json });

describe("Salesforce", () => {
  it("replies in the recorded shapes", async () => {
    const api = await salesforce();
    const account = await create(api, "Account/", { Name: "Express Logistics" });
    expect(differences("salesforce", "sobjects.create", account)).toEqual([]);
    const AccountId = textAt(account, "id");
    await create(api, "Contact", { FirstName: "Maria", LastName: "Johnson", AccountId });
    const found = await query(api, "SELECT Id, Name, Account.Name FROM Contact WHERE LastName = 'Johnson'");
    expect(differences("salesforce", "query", found)).toEqual([]);
    expect(at(found.json, "records.0.Account.Name")).toBe("Express Logistics");
    const read = await api.call(`GET ${DATA}/sobjects/Account/${AccountId}?fields=Name`);
    expect(differences("salesforce", "sobjects.get", read)).toEqual([]);
    const id = await create(api, "Account", { Id: AccountId, Name: "x" });
    expect(differences("salesforce", "error invalid field", id)).toEqual([]);
    expect(differences("salesforce", "error required", await create(api, "Contact", {}))).toEqual([]);
    expect(differences("salesforce", "error not found", await api.call(`GET ${DATA}/sobjects/Account/none`))).toEqual(
      [],
    );
  });

  it("queries what was created by conditions, order, limit and count", async () => {
    const api = await salesforce();
    for (const [Name, Amount, StageName] of [
      ["Small", 10, "Open"],
      ["Large", 900, "Open"],
      ["O'Neil", 50, "Won"],
    ] as const) {
      await create(api, "Opportunity", { Name, Amount, StageName, CloseDate: "2026-12-31" });
    }
    const names = async (rest: string) => {
      const { json } = await query(api, `SELECT Name FROM Opportunity ${rest}`);
      return [0, 1, 2, 3].map((n) => at(json, `records.${n}.Name`)).filter((name) => name !== undefined);
    };
    expect(await names("WHERE StageName = 'open' AND Amount > 5 ORDER BY Amount DESC")).toEqual(["Large", "Small"]);
    expect(await names("WHERE (Name LIKE 'S%' OR Name LIKE '%rg_') AND Amount != null ORDER BY Name LIMIT 1")).toEqual([
      "Large",
    ]);
    expect(await names("WHERE Name = 'O\\'Neil'")).toEqual(["O'Neil"]);
    expect(await names("WHERE StageName NOT IN ('Won', 'First Opportunity') ORDER BY Amount OFFSET 1")).toEqual([
      "Large",
    ]);
    expect((await query(api, "SELECT COUNT() FROM Opportunity WHERE CloseDate >= 2026-12-31")).json).toMatchObject({
      totalSize: 4,
    });
  });

  it("updates, deletes and upserts, with an empty reply where Salesforce has one", async () => {
    const api = await salesforce();
    const id = textAt(await create(api, "Lead", { LastName: "Doe", Company: "Acme" }), "id");
    const changed = await api.call(`PATCH ${DATA}/sobjects/Lead/${id.slice(0, 15)}`, { json: { Status: "Working" } });
    expect([changed.status, changed.text]).toEqual([204, ""]);
    expect((await api.call(`GET ${DATA}/sobjects/Lead/${id}`)).json).toMatchObject({ Name: "Doe", Status: "Working" });
    const upsert = () => api.call(`PATCH ${DATA}/sobjects/Thing__c/Key__c/42`, { json: { Name: "Answer" } });
    expect([(await upsert()).status, (await upsert()).status]).toEqual([201, 200]);
    expect((await api.call(`DELETE ${DATA}/sobjects/Lead/${id}`)).status).toBe(204);
    expect((await api.call(`DELETE ${DATA}/sobjects/Lead/${id}`)).status).toBe(404);
    expect(api.state().objects).toMatchObject([
      { collection: "Lead", account: "acme", id, change: "deleted" },
      { collection: "Thing__c", data: { Key__c: "42", Name: "Answer" } },
    ]);
  });

  it("creates several records with a result of their own", async () => {
    const api = await salesforce();
    const records = [{ attributes: { type: "Account" }, Name: "One" }, { attributes: { type: "Contact" } }];
    const reply = await api.call(`POST ${DATA}/composite/sobjects`, { json: { allOrNone: false, records } });
    expect(JSON.parse(reply.text)).toMatchObject([
      { success: true, errors: [] },
      { success: false, errors: [{ statusCode: "REQUIRED_FIELD_MISSING", fields: ["LastName"] }] },
    ]);
  });

  it("refuses malformed queries, unknown types, and a token at another org's host", async () => {
    const api = await salesforce();
    const refusals = [
      [await query(api, "SELECT Name"), 400, "MALFORMED_QUERY"],
      [await query(api, "SELECT Name FROM Account WHERE"), 400, "MALFORMED_QUERY"],
      [await query(api, "SELECT Name FROM Account WHERE Name ~ 'x'"), 400, "MALFORMED_QUERY"],
      [await query(api, "SELECT (SELECT Id FROM Contacts) FROM Account"), 400, "MALFORMED_QUERY"],
      [await query(api, "DELETE FROM Account"), 400, "MALFORMED_QUERY"],
      [await query(api, "SELECT Name FROM Nothing"), 400, "INVALID_TYPE"],
      [
        await api.call("GET globex.my.salesforce.com/services/data/v64.0/query?q=SELECT+Id+FROM+Account"),
        401,
        "INVALID_SESSION_ID",
      ],
      [await query(await salesforce("id refresh_token"), "SELECT Id FROM Account"), 403, "INVALID_SESSION_ID"],
    ] as const;
    for (const [reply, status, code] of refusals) {
      expect([reply.status, at(JSON.parse(reply.text), "0.errorCode")]).toEqual([status, code]);
    }
  });

  it("answers a hostile pattern or query within its time limit", { timeout: 5000 }, async () => {
    const api = await salesforce();
    await create(api, "Account", { Name: "a".repeat(2000) });
    expect((await query(api, `SELECT Id FROM Account WHERE Name LIKE '${"%a".repeat(1000)}b'`)).json).toMatchObject({
      totalSize: 0,
    });
    expect((await query(api, `SELECT Id FROM Account ${"WHERE x ".repeat(2000)}`)).status).toBe(400);
  });
});

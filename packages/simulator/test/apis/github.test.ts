/** GitHub: repositories, contents and issues, against recorded replies. */
import { describe, expect, it } from "vitest";
import { simulation } from "../application.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const HOST = "api.github.com";
const HELLO = `${HOST}/repos/ada/hello`;
const headers = { "user-agent": "a function" };
const github = async (scope = "repo"): Promise<Api> =>
  apiAt(await simulation(), "github", "github", { scope, headers });

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const put = (api: Api, path: string, json: unknown) => api.call(`PUT ${HELLO}/contents/${path}`, { json });
const file = (text: string, more = {}) => ({ message: "Change it", content: base64(text), ...more });

describe("GitHub", () => {
  it("replies in the recorded shapes", async () => {
    const api = await github();
    expect(differences("github", "user/repos", await api.call(`GET ${HOST}/user/repos`))).toEqual([]);
    expect(differences("github", "contents.put", await put(api, "docs/a.md", file("Hello")))).toEqual([]);
    expect(differences("github", "contents.get", await api.call(`GET ${HELLO}/contents/docs/a.md`))).toEqual([]);
    const given = { title: "Broken", body: "It fails.", labels: ["bug"], assignees: ["ada"] };
    const issue = await api.call(`POST ${HELLO}/issues`, { json: given });
    expect(differences("github", "issues.create", issue)).toEqual([]);
    const comment = await api.call(`POST ${HELLO}/issues/1/comments`, { json: { body: "Me too" } });
    expect(differences("github", "comments.create", comment)).toEqual([]);
    expect(differences("github", "error not found", await api.call(`GET ${HELLO}/issues/99`))).toEqual([]);
    const empty = await api.call(`PATCH ${HELLO}/issues/1`, { json: { title: "" } });
    expect(differences("github", "error validation", empty)).toEqual([]);
  });

  it("writes a file, and changes or deletes it only with its current hash", async () => {
    const api = await github();
    const created = await put(api, "docs/a.md", file("one"));
    expect(created.status).toBe(201);
    const sha = textAt(created, "content.sha");
    expect((await put(api, "docs/a.md", file("two"))).status).toBe(422);
    expect((await put(api, "docs/a.md", file("two", { sha: "0".repeat(40) }))).status).toBe(409);
    const changed = await put(api, "docs/a.md", file("two", { sha }));
    expect(changed.status).toBe(200);
    const read = await api.call(`GET ${HELLO}/contents/docs/a.md`);
    expect([Buffer.from(textAt(read, "content"), "base64").toString(), textAt(read, "sha")]).toEqual([
      "two",
      textAt(changed, "content.sha"),
    ]);
    const raw = await api.call(`GET ${HELLO}/contents/docs/a.md`, {
      headers: { accept: "application/vnd.github.raw+json" },
    });
    expect(raw.text).toBe("two");
    const folder = await api.call(`GET ${HELLO}/contents/`);
    expect(JSON.parse(folder.text)).toMatchObject([
      { path: "README.md", type: "file" },
      { path: "docs", type: "dir" },
    ]);
    const gone = { json: { message: "Remove", sha: textAt(changed, "content.sha") } };
    expect((await api.call(`DELETE ${HELLO}/contents/docs/a.md`, gone)).status).toBe(200);
    expect((await api.call(`GET ${HELLO}/contents/docs/a.md`)).status).toBe(404);
  });

  it("computes the hash that git computes", async () => {
    const api = await github();
    // `printf 'hello\n' | git hash-object --stdin`
    expect(textAt(await put(api, "x", file("hello\n")), "content.sha")).toBe(
      "ce013625030ba8dba906f756967f9e9ca394464a",
    );
  });

  it("lists issues by state and label with pages in the Link header", async () => {
    const api = await github();
    for (const title of ["one", "two", "three"]) {
      await api.call(`POST ${HELLO}/issues`, { json: { title, labels: title === "two" ? ["bug"] : [] } });
    }
    await api.call(`PATCH ${HELLO}/issues/1`, { json: { state: "closed", state_reason: "completed" } });
    const titles = async (query: string) => {
      const reply = await api.call(`GET ${HELLO}/issues?${query}`);
      const rows: unknown = JSON.parse(reply.text);
      return {
        titles: Array.isArray(rows) ? rows.map((row) => at(row, "title")) : rows,
        link: reply.headers.get("link"),
      };
    };
    expect((await titles("")).titles).toEqual(["three", "two"]);
    expect((await titles("state=closed")).titles).toEqual(["one"]);
    expect((await titles("state=all&labels=bug")).titles).toEqual(["two"]);
    const first = await titles("state=all&per_page=2");
    expect(first.titles).toEqual(["three", "two"]);
    const next = /<https:\/\/([^>]+)>; rel="next"/.exec(first.link ?? "")?.[1] ?? "";
    expect(JSON.parse((await api.call(`GET ${next}`)).text)).toMatchObject([{ title: "one", state: "closed" }]);
    expect(await api.call(`GET ${HOST}/repos/ada/hello`)).toMatchObject({ json: { open_issues_count: 2 } });
  });

  it("creates a repository once, and hides those of other users", async () => {
    const api = await github();
    const json = { name: "my app", auto_init: true, private: true };
    expect((await api.call(`POST ${HOST}/user/repos`, { json })).json).toMatchObject({
      full_name: "ada/my-app",
      private: true,
    });
    expect((await api.call(`POST ${HOST}/user/repos`, { json })).status).toBe(422);
    const readme = await api.call(`GET ${HOST}/repos/ada/my-app/contents/README.md`);
    expect(readme.json["size"]).toBe(9);
    const bob = await apiAt(api.simulator, "github", "github", { account: "bob", scope: "repo", headers });
    expect((await bob.call(`GET ${HOST}/repos/ada/my-app`)).status).toBe(404);
  });

  it("leaves files with their text and issues in the state, by repository", async () => {
    const api = await github();
    await put(api, "a.md", file("Hello"));
    // Fetch sends a text body as text/plain, which GitHub reads as JSON.
    await api.call(`POST ${HELLO}/issues`, { raw: JSON.stringify({ title: "Broken" }) });
    expect(api.state().objects).toMatchObject([
      {
        collection: "contents",
        account: "ada/hello",
        id: "a.md",
        data: { message: "Change it" },
        content: { text: "Hello" },
      },
      { collection: "issues", account: "ada/hello", id: "1", data: { title: "Broken", state: "open" } },
    ]);
  });

  it("refuses incomplete bodies, bad content, bad paths, a missing scope and no User-Agent", async () => {
    const api = await github();
    const refusals = [
      [await api.call(`POST ${HELLO}/issues`, { json: {} }), 422, '"title" wasn\'t supplied'],
      [await put(api, "x", { message: "m" }), 422, '"content" wasn\'t supplied'],
      [await put(api, "x", { message: "m", content: "no base64!" }), 422, "not valid Base64"],
      [await put(api, "a%2F..%2Fb", file("x")), 422, "malformed path"],
      [await api.call(`PATCH ${HELLO}/issues/1`, { json: {} }), 404, "Not Found"],
      [
        await api.call(`POST ${HELLO}/issues`, { json: { title: "x" }, headers: { "user-agent": "" } }),
        403,
        "User-Agent",
      ],
      [await put(await github("read:user"), "x", file("x")), 404, "Not Found"],
    ] as const;
    for (const [reply, status, words] of refusals)
      expect([reply.status, reply.text.replaceAll('\\"', '"')]).toEqual([status, expect.stringContaining(words)]);
    expect(api.state().objects).toEqual([]);
  });
});

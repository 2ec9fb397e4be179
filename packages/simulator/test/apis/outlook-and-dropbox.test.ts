/** Outlook mail and Dropbox files, against recorded replies. */
import { describe, expect, it } from "vitest";
import { record, simulation } from "../application.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const ME = "graph.microsoft.com/v1.0/me";
const outlook = async (scope = "Mail.ReadWrite Mail.Send"): Promise<Api> =>
  apiAt(await simulation(), "outlook", "microsoft", { scope });

const to = (address: string, more = {}) => ({
  subject: "Hi",
  body: { contentType: "HTML", content: "<p>Hello</p>" },
  toRecipients: [{ emailAddress: { address } }],
  ...more,
});

describe("Outlook", () => {
  it("replies in the recorded shapes", async () => {
    const api = await outlook();
    const sent = await api.call(`POST ${ME}/sendMail`, { json: { message: to("bob@example.com") } });
    expect(differences("outlook", "sendMail", sent)).toEqual([]);
    const inbox = await api.call(`GET ${ME}/mailFolders/inbox/messages`);
    const id = textAt(inbox, "value.0.id");
    expect(differences("outlook", "messages.get", await api.call(`GET ${ME}/messages/${id}`))).toEqual([]);
    await api.call(`DELETE ${ME}/messages/${id}`);
    const named = to("bob@example.com", {
      toRecipients: [{ emailAddress: { name: "Bob", address: "bob@example.com" } }],
    });
    const draft = await api.call(`POST ${ME}/messages`, { json: named });
    expect(differences("outlook", "messages.create", draft)).toEqual([]);
    await api.call(`POST ${ME}/messages/${textAt(draft, "id")}/send`);
    await api.call(`POST ${ME}/sendMail`, { json: { message: named } });
    const page = await api.call(`GET ${ME}/messages?$top=1`);
    expect(differences("outlook", "messages.list", page)).toEqual([]);
    expect(differences("outlook", "mailFolders.get", await api.call(`GET ${ME}/mailFolders/inbox`))).toEqual([]);
    expect(differences("outlook", "error not found", await api.call(`GET ${ME}/messages/none`))).toEqual([]);
  });

  it("keeps a copy of what was sent, follows the next link, and delivers to oneself", async () => {
    const api = await outlook();
    await api.call(`POST ${ME}/sendMail`, { json: { message: to("bob@example.com"), saveToSentItems: "false" } });
    expect(textAt(await api.call(`GET ${ME}/mailFolders/sentitems`), "totalItemCount")).toBe("0");
    await api.call(`POST ${ME}/sendMail`, { json: { message: to("ada@example.com", { subject: "To me" }) } });
    const unread = await api.call(`GET ${ME}/messages?$filter=isRead eq false&$select=subject&$top=1&$count=true`);
    expect(unread.json).toMatchObject({ "@odata.count": 2, value: [{ subject: "To me" }] });
    expect(Object.keys(record(at(unread.json, "value.0"))).toSorted()).toEqual(["@odata.etag", "id", "subject"]);
    const link = String(unread.json["@odata.nextLink"]).replace("https://", "");
    expect((await api.call(`GET ${link}`)).json["value"]).toMatchObject([{ subject: "Lunch on Friday" }]);
  });

  it("filters by sender and words, marks as read, and sends a draft once", async () => {
    const api = await outlook();
    const query = "$filter=from/emailAddress/address eq 'bob@example.com' and contains(subject,'lunch')";
    const id = textAt(await api.call(`GET ${ME}/messages?${query}`), "value.0.id");
    await api.call(`PATCH ${ME}/messages/${id}`, { json: { isRead: true } });
    expect((await api.call(`GET ${ME}/messages?$filter=isRead eq false`)).json["value"]).toEqual([]);
    const draft = textAt(await api.call(`POST ${ME}/messages`, { json: to("bob@example.com") }), "id");
    expect((await api.call(`POST ${ME}/messages/${draft}/send`)).status).toBe(202);
    expect((await api.call(`POST ${ME}/messages/${draft}/send`)).status).toBe(404);
    expect((await api.call(`GET ${ME}/mailFolders/sentitems/messages`)).json["value"]).toMatchObject([
      { subject: "Hi", isDraft: false },
    ]);
  });

  it("leaves sent mail in the state, MIME messages included", async () => {
    const api = await outlook("Mail.Send");
    const raw = Buffer.from("To: Bob <bob@example.com>\r\nSubject: Hi\r\n\r\nHello").toString("base64");
    await api.call(`POST ${ME}/sendMail`, { raw, headers: { "content-type": "text/plain" } });
    expect(api.state().objects).toMatchObject([
      {
        collection: "messages",
        account: "ada@example.com",
        data: { folder: "sentitems", subject: "Hi", toRecipients: [{ emailAddress: { address: "bob@example.com" } }] },
      },
    ]);
  });

  it("refuses a message without recipients, a bad filter, another mailbox, and a missing scope", async () => {
    const api = await outlook();
    const refusals = [
      [await api.call(`POST ${ME}/sendMail`, { json: { message: { subject: "x" } } }), 400, "ErrorInvalidRecipients"],
      [await api.call(`POST ${ME}/sendMail`, { json: { message: to("no address") } }), 400, "ErrorInvalidRecipients"],
      [await api.call(`POST ${ME}/sendMail`, { json: {} }), 400, "BadRequest"],
      [await api.call(`GET ${ME}/messages?$filter=isRead is false`), 400, "BadRequest"],
      [await api.call("GET graph.microsoft.com/v1.0/users/bob@example.com/messages"), 403, "ErrorAccessDenied"],
      [await (await outlook("Mail.Read")).call(`POST ${ME}/sendMail`), 403, "Authorization_RequestDenied"],
    ] as const;
    for (const [reply, status, code] of refusals) {
      expect([reply.status, at(reply.json, "error.code")]).toEqual([status, code]);
    }
    expect(api.state().objects).toEqual([]);
  });
});

const SCOPES = "files.metadata.read files.content.read files.content.write";
const dropbox = async (scope = SCOPES): Promise<Api> => apiAt(await simulation(), "dropbox", "dropbox", { scope });
const files = (api: Api, name: string, json: unknown) => api.call(`POST api.dropboxapi.com/2/files/${name}`, { json });

const upload = (api: Api, given: Readonly<Record<string, unknown>>, raw: string | Uint8Array<ArrayBuffer> = "Hello") =>
  api.call("POST content.dropboxapi.com/2/files/upload", {
    raw,
    headers: { "content-type": "application/octet-stream", "dropbox-api-arg": JSON.stringify(given) },
  });

const download = (api: Api, path: string) =>
  api.call("POST content.dropboxapi.com/2/files/download", {
    headers: { "dropbox-api-arg": JSON.stringify({ path }) },
  });

describe("Dropbox", () => {
  it("replies in the recorded shapes", async () => {
    const api = await dropbox();
    expect(differences("dropbox", "files/upload", await upload(api, { path: "/Docs/a.txt" }))).toEqual([]);
    const metadata = await files(api, "get_metadata", { path: "/docs/A.TXT" });
    expect(differences("dropbox", "files/get_metadata", metadata)).toEqual([]);
    expect(differences("dropbox", "files/list_folder", await files(api, "list_folder", { path: "" }))).toEqual([]);
    const folder = await files(api, "create_folder_v2", { path: "/New" });
    expect(differences("dropbox", "files/create_folder_v2", folder)).toEqual([]);
    expect(differences("dropbox", "error conflict", await upload(api, { path: "/Docs/a.txt" }, "Other"))).toEqual([]);
    expect(differences("dropbox", "files/delete_v2", await files(api, "delete_v2", { path: "/Docs/a.txt" }))).toEqual(
      [],
    );
    expect(differences("dropbox", "error not found", await download(api, "/Docs/a.txt"))).toEqual([]);
  });

  it("returns the uploaded bytes with their metadata in a header", async () => {
    const api = await dropbox();
    const sent = await upload(api, { path: "/Grüße.txt" }, "Café");
    const got = await download(api, "/grüße.txt");
    expect(got.text).toBe("Café");
    const result: unknown = JSON.parse(got.headers.get("dropbox-api-result") ?? "");
    expect(result).toEqual(sent.json);
    expect((await download(api, textAt(sent, "id"))).text).toBe("Café");
  });

  it("replaces only as the mode says", async () => {
    const api = await dropbox();
    const first = await upload(api, { path: "/a.txt" }, "one");
    expect((await upload(api, { path: "/a.txt", mode: "add", autorename: true }, "two")).json["name"]).toBe(
      "a (1).txt",
    );
    const stale = { ".tag": "update", update: "000000000000" };
    expect((await upload(api, { path: "/a.txt", mode: stale }, "three")).status).toBe(409);
    const current = { ".tag": "update", update: textAt(first, "rev") };
    expect((await upload(api, { path: "/a.txt", mode: current }, "three")).status).toBe(200);
    expect((await upload(api, { path: "/a.txt", mode: "overwrite" }, "four")).status).toBe(200);
    expect((await download(api, "/a.txt")).text).toBe("four");
  });

  it("lists folders with what is below them, page by page, and moves and deletes", async () => {
    const api = await dropbox();
    for (const name of ["a", "b", "c"]) await upload(api, { path: `/Deep/Down/${name}.txt` });
    const names = async (name: string, json: unknown) => {
      const { json: body } = await files(api, name, json);
      return {
        body,
        names: [0, 1, 2, 3, 4].map((n) => at(body, `entries.${n}.path_display`)).filter((one) => one !== undefined),
      };
    };
    expect((await names("list_folder", { path: "/deep" })).names).toEqual(["/Deep/Down"]);
    const first = await names("list_folder", { path: "", recursive: true, limit: 4 });
    expect([first.names.length, first.body["has_more"]]).toEqual([4, true]);
    const rest = await names("list_folder/continue", { cursor: first.body["cursor"] });
    expect([rest.names, rest.body["has_more"]]).toEqual([["/Deep/Down/b.txt", "/Deep/Down/c.txt"], false]);
    await files(api, "move_v2", { from_path: "/Deep/Down/a.txt", to_path: "/a.txt" });
    await files(api, "delete_v2", { path: "/Deep" });
    expect((await names("list_folder", { path: "", recursive: true })).names).toEqual(["/notes.txt", "/a.txt"]);
  });

  it("leaves the files in the state with their text", async () => {
    const api = await dropbox();
    await upload(api, { path: "/Docs/a.txt" });
    expect(api.state().objects).toMatchObject([
      { collection: "entries", id: "/docs", data: { path: "/Docs" }, content: null },
      { id: "/docs/a.txt", data: { path: "/Docs/a.txt" }, content: { bytes: 5, text: "Hello" } },
    ]);
  });

  it("refuses malformed arguments with HTTP 400 and text, and a file as a folder", async () => {
    const api = await dropbox();
    const headers = { "content-type": "application/octet-stream", "dropbox-api-arg": "{no json" };
    const refusals = [
      [
        await api.call("POST content.dropboxapi.com/2/files/upload", { raw: "x", headers }),
        400,
        "could not decode input",
      ],
      [
        await api.call("POST content.dropboxapi.com/2/files/upload", {
          json: {},
          headers: { "dropbox-api-arg": '{"path":"/x"}' },
        }),
        400,
        'Bad HTTP "Content-Type"',
      ],
      [await upload(api, { path: "no-slash" }), 400, "did not match pattern"],
      [await files(api, "list_folder", { path: "/" }), 400, "Specify the root folder as an empty string"],
      [await files(api, "list_folder", { path: "/notes.txt" }), 409, "not_folder"],
      [await upload(api, { path: "/notes.txt/below" }), 409, "file_ancestor"],
      [await files(api, "list_folder/continue", { cursor: "junk" }), 409, "reset"],
      [await upload(await dropbox("files.metadata.read"), { path: "/x" }), 401, "missing_scope"],
    ] as const;
    for (const [reply, status, words] of refusals)
      expect([reply.status, reply.text]).toEqual([status, expect.stringContaining(words)]);
    expect(api.state().objects).toEqual([]);
  });
});

/** Google Sheets, Docs and Slides, against recorded replies. */
import { describe, expect, it } from "vitest";
import { simulation } from "../application.ts";
import type { ServiceId } from "../vendors/service-app.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const google = async (id: ServiceId): Promise<Api> => apiAt(await simulation(), id, "google");

const SHEETS = "sheets.googleapis.com/v4/spreadsheets";
const ENTERED = "valueInputOption=USER_ENTERED";

async function spreadsheet() {
  const api = await google("googlesheets");
  const created = await api.call(`POST ${SHEETS}`, { json: { properties: { title: "Orders" } } });
  const id = textAt(created, "spreadsheetId");
  const values = (call: string, given?: unknown, query = "") => {
    const [method = "", range = ""] = call.split(" ");
    const body = given === undefined ? {} : { json: { values: given } };
    return api.call(`${method} ${SHEETS}/${id}/values/${range}${query}`, body);
  };
  return { api, id, created, values };
}

describe("Google Sheets", () => {
  it("replies in the recorded shapes", async () => {
    const { api, id, created, values } = await spreadsheet();
    expect(differences("googlesheets", "spreadsheets.create", created)).toEqual([]);
    expect(differences("googlesheets", "values.update", await values("PUT A1", [["Name"]], `?${ENTERED}`))).toEqual([]);
    expect(
      differences("googlesheets", "values.append", await values("POST Sheet1!A1:append", [["Ada"]], `?${ENTERED}`)),
    ).toEqual([]);
    expect(differences("googlesheets", "values.get", await values("GET Sheet1!A1:B9"))).toEqual([]);
    expect(
      differences("googlesheets", "values.batchGet", await api.call(`GET ${SHEETS}/${id}/values:batchGet?ranges=A1`)),
    ).toEqual([]);
    const data = [{ range: "A1", values: [["Who"]] }];
    const batch = { json: { valueInputOption: "RAW", data } };
    expect(
      differences(
        "googlesheets",
        "values.batchUpdate",
        await api.call(`POST ${SHEETS}/${id}/values:batchUpdate`, batch),
      ),
    ).toEqual([]);
    const requests = [{ addSheet: { properties: { title: "Second" } } }];
    const added = await api.call(`POST ${SHEETS}/${id}:batchUpdate`, { json: { requests } });
    expect(differences("googlesheets", "spreadsheets.batchUpdate", added)).toEqual([]);
    expect(differences("googlesheets", "values.clear", await values("POST A1:B2:clear"))).toEqual([]);
    expect(differences("googlesheets", "error bad range", await values("GET Nowhere!A1"))).toEqual([]);
  });

  it("returns what was written and appended, as numbers only if they were entered as such", async () => {
    const { values } = await spreadsheet();
    await values(
      "PUT Sheet1!A1:B2",
      [
        ["Name", "Amount"],
        ["Ada", "10"],
      ],
      `?${ENTERED}`,
    );
    const appended = await values("POST Sheet1!A:B:append", [["Bob", "007"]], "?valueInputOption=RAW");
    expect(at(appended.json, "updates.updatedRange")).toBe("Sheet1!A3:B3");
    expect((await values("GET Sheet1!A2:B3")).json["values"]).toEqual([
      ["Ada", "10"],
      ["Bob", "007"],
    ]);
    const plain = await values("GET Sheet1!B2:B3", undefined, "?valueRenderOption=UNFORMATTED_VALUE");
    expect(plain.json["values"]).toEqual([[10], ["007"]]);
    const columns = await values("GET Sheet1!A1:B3", undefined, "?majorDimension=COLUMNS");
    expect(columns.json["values"]).toEqual([
      ["Name", "Ada", "Bob"],
      ["Amount", "10", "007"],
    ]);
    expect((await values("GET Sheet1")).json).toMatchObject({ range: "Sheet1!A1:Z1000" });
  });

  it("leaves the rows in the state, beside the file that Drive lists", async () => {
    const { api, id, values } = await spreadsheet();
    await values("POST A1:append", [["Ada", 1]], `?${ENTERED}`);
    expect(api.state().objects).toMatchObject([
      { collection: "files", id, data: { name: "Orders", mimeType: "application/vnd.google-apps.spreadsheet" } },
      {
        collection: "spreadsheets",
        id,
        change: "created",
        data: { sheets: [{ title: "Sheet1", values: [["Ada", 1]] }] },
      },
    ]);
  });

  it("adds, renames and deletes sheets together or not at all", async () => {
    const { api, id } = await spreadsheet();
    const change = (...requests: readonly unknown[]) =>
      api.call(`POST ${SHEETS}/${id}:batchUpdate`, { json: { requests } });
    const twice = { addSheet: { properties: { title: "Two" } } };
    expect((await change(twice, twice)).status).toBe(400);
    const titles = async () => (await api.call(`GET ${SHEETS}/${id}?fields=sheets(properties(title))`)).text;
    expect(await titles()).toBe('{"sheets":[{"properties":{"title":"Sheet1"}}]}');
    const rename = { updateSheetProperties: { properties: { sheetId: 0, title: "One" }, fields: "title" } };
    await change(twice, rename);
    expect(await titles()).toContain('"One"');
    expect((await change({ deleteSheet: { sheetId: 0 } })).json["replies"]).toEqual([{}]);
    expect(await titles()).toBe('{"sheets":[{"properties":{"title":"Two"}}]}');
  });

  it("refuses bad ranges, bad values, and a spreadsheet that does not exist", async () => {
    const { api, values } = await spreadsheet();
    const refusals = [
      [await values("PUT A1", [["x"]]), 400, "'valueInputOption' is required"],
      [await values("PUT A1:B1", [["a"], ["b"]], `?${ENTERED}`), 400, "tried writing outside"],
      [await values("PUT A1", "text", `?${ENTERED}`), 400, "Invalid value"],
      [await values("PUT ZZZ1", [["x"]], `?${ENTERED}`), 400, "exceeds grid limits"],
      [await values("GET 1A"), 400, "Unable to parse range: 1A"],
      [await api.call(`GET ${SHEETS}/none/values/A1`), 404, "Requested entity was not found."],
    ] as const;
    for (const [reply, status, message] of refusals) {
      expect([reply.status, at(reply.json, "error.message")]).toEqual([status, expect.stringContaining(message)]);
    }
  });
});

describe("Google Docs", () => {
  const DOCS = "docs.googleapis.com/v1/documents";

  it("replies in the recorded shapes, and returns the text that was inserted", async () => {
    const api = await google("googledocs");
    const created = await api.call(`POST ${DOCS}`, { json: { title: "Minutes" } });
    expect(differences("googledocs", "documents.create", created)).toEqual([]);
    const id = textAt(created, "documentId");
    const requests = [
      { insertText: { location: { index: 1 }, text: "Hello NAME\n" } },
      { replaceAllText: { containsText: { text: "name", matchCase: false }, replaceText: "Ada" } },
    ];
    expect(
      differences(
        "googledocs",
        "documents.batchUpdate",
        await api.call(`POST ${DOCS}/${id}:batchUpdate`, { json: { requests } }),
      ),
    ).toEqual([]);
    const read = await api.call(`GET ${DOCS}/${id}`);
    expect(textAt(read, "body.content.1.paragraph.elements.0.textRun.content")).toBe("Hello Ada\n");
    expect(api.state().objects).toMatchObject([
      { collection: "files", id },
      { collection: "documents", id, data: { title: "Minutes", text: "Hello Ada\n\n" } },
    ]);
  });

  it("applies all requests or none, and refuses an index outside of the text", async () => {
    const api = await google("googledocs");
    const requests = [
      { insertText: { endOfSegmentLocation: {}, text: "More" } },
      { insertText: { location: { index: 99 }, text: "x" } },
    ];
    const refused = await api.call(`POST ${DOCS}/doc-1:batchUpdate`, { json: { requests } });
    expect([refused.status, textAt(refused, "error.message")]).toEqual([
      400,
      "Invalid requests[1].insertText: Index 99 must be less than the end index of the referenced segment, 15.",
    ]);
    expect(api.state().objects).toEqual([]);
    expect(differences("googledocs", "error not found", await api.call(`GET ${DOCS}/none`))).toEqual([]);
  });
});

describe("Google Slides", () => {
  const SLIDES = "slides.googleapis.com/v1/presentations";

  it("replies in the recorded shapes, and keeps slides, shapes and their text", async () => {
    const api = await google("googleslides");
    const created = await api.call(`POST ${SLIDES}`, { json: { title: "Pitch" } });
    expect(differences("googleslides", "presentations.create", created)).toEqual([]);
    const id = textAt(created, "presentationId");
    const requests = [
      { createSlide: { objectId: "second" } },
      { createShape: { objectId: "box", shapeType: "TEXT_BOX", elementProperties: { pageObjectId: "second" } } },
      { insertText: { objectId: "box", text: "Why us" } },
    ];
    const changed = await api.call(`POST ${SLIDES}/${id}:batchUpdate`, { json: { requests } });
    expect(differences("googleslides", "presentations.batchUpdate", changed)).toEqual([]);
    const read = await api.call(`GET ${SLIDES}/${id}`);
    expect(textAt(read, "slides.1.pageElements.0.shape.text.textElements.0.textRun.content")).toBe("Why us");
    const again = await api.call(`POST ${SLIDES}/${id}:batchUpdate`, { json: { requests } });
    expect([again.status, textAt(again, "error.message")]).toEqual([400, expect.stringContaining("should be unique")]);
    expect(differences("googleslides", "error not found", await api.call(`GET ${SLIDES}/none`))).toEqual([]);
  });
});

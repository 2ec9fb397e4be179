/** Google Drive and Google Calendar, against recorded replies. */
import { describe, expect, it } from "vitest";
import { read, simulation } from "../application.ts";
import { apiAt, at, differences, send, textAt, type Api } from "./api.ts";

const FILES = "www.googleapis.com/drive/v3/files";
const UPLOAD = `www.googleapis.com/upload/drive/v3/files?uploadType`;
const drive = async (): Promise<Api> => apiAt(await simulation(), "googledrive", "google");

const related = (metadata: unknown, type: string, content: string) => ({
  headers: { "content-type": "multipart/related; boundary=xyz" },
  raw: [
    "--xyz\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n",
    `${JSON.stringify(metadata)}\r\n--xyz\r\nContent-Type: ${type}\r\n\r\n${content}\r\n--xyz--`,
  ].join(""),
});

describe("Google Drive", () => {
  it("replies in the recorded shapes", async () => {
    const api = await drive();
    const created = await api.call(`POST ${UPLOAD}=multipart`, related({ name: "a.txt" }, "text/plain", "Hello"));
    expect(differences("googledrive", "files.create", created)).toEqual([]);
    expect(differences("googledrive", "files.list", await api.call(`GET ${FILES}`))).toEqual([]);
    const id = textAt(created, "id");
    expect(differences("googledrive", "files.get *", await api.call(`GET ${FILES}/${id}?fields=*`))).toEqual([]);
    const share = { json: { type: "user", role: "reader", emailAddress: "bob@example.com" } };
    expect(
      differences("googledrive", "permissions.create", await api.call(`POST ${FILES}/${id}/permissions`, share)),
    ).toEqual([]);
    expect(differences("googledrive", "error not found", await api.call(`GET ${FILES}/none`))).toEqual([]);
  });

  it("returns the bytes of both kinds of upload, and of a later version", async () => {
    const api = await drive();
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    const media = { raw: bytes, headers: { "content-type": "image/png" } };
    const id = textAt(await api.call(`POST ${UPLOAD}=media`, media), "id");
    const headers = { authorization: `Bearer ${api.token}` };
    const content = async () => {
      const response = await fetch(`${api.simulator.url}/${FILES}/${id}?alt=media`, { headers });
      return [response.headers.get("content-type"), new Uint8Array(await response.arrayBuffer())];
    };
    expect(await content()).toEqual(["image/png", bytes]);
    const changed = await api.call(
      `PATCH www.googleapis.com/upload/drive/v3/files/${id}?uploadType=multipart`,
      related({ name: "b" }, "text/plain", "Bye"),
    );
    expect(changed.json).toMatchObject({ id, name: "b" });
    expect(await content()).toEqual(["text/plain", new TextEncoder().encode("Bye")]);
  });

  it("finds files by name, type, folder and text, in the order wanted, page by page", async () => {
    const api = await drive();
    const folder = await api.call(`POST ${FILES}`, {
      json: { name: "Reports", mimeType: "application/vnd.google-apps.folder" },
    });
    for (const name of ["q2.txt", "q1.txt"]) {
      await api.call(
        `POST ${UPLOAD}=multipart`,
        related({ name, parents: [textAt(folder, "id")] }, "text/plain", `About ${name}`),
      );
    }
    const names = async (q: string, more = "") =>
      (await api.call(`GET ${FILES}?q=${encodeURIComponent(q)}&orderBy=name${more}`)).json;
    const inside = `'${textAt(folder, "id")}' in parents and trashed = false`;
    expect(await names(inside)).toMatchObject({ files: [{ name: "q1.txt" }, { name: "q2.txt" }] });
    expect(await names("mimeType = 'application/vnd.google-apps.folder' and 'root' in parents")).toMatchObject({
      files: [{ name: "Reports" }],
    });
    expect(await names("fullText contains 'about q2' or name contains 'Rep'")).toMatchObject({
      files: [{ name: "q2.txt" }, { name: "Reports" }],
    });
    const first = await names(inside, "&pageSize=1");
    expect(first).toMatchObject({ files: [{ name: "q1.txt" }], nextPageToken: expect.any(String) });
    expect(await names(inside, "&pageSize=1&pageToken=1")).toMatchObject({ files: [{ name: "q2.txt" }] });
  });

  it("leaves the content of a text file in the state, and nothing of a deleted one", async () => {
    const api = await drive();
    await api.call(`POST ${UPLOAD}=multipart`, related({ name: "a.txt" }, "text/plain", "Hello"));
    const gone = textAt(await api.call(`POST ${FILES}`, { json: { name: "b" } }), "id");
    expect((await api.call(`DELETE ${FILES}/${gone}`)).status).toBe(204);
    expect(api.state().objects).toMatchObject([
      {
        collection: "files",
        account: "ada@example.com",
        data: { name: "a.txt" },
        content: { bytes: 5, text: "Hello" },
      },
      { id: gone, change: "deleted", data: null, content: null },
    ]);
  });

  it("refuses a malformed query, upload or permission, a missing folder, and bytes of a document", async () => {
    const api = await drive();
    const broken = { raw: "no parts", headers: { "content-type": "multipart/related; boundary=xyz" } };
    const refusals = [
      [await api.call(`GET ${FILES}?q=${encodeURIComponent("name ~ 'x'")}`), 400, "Invalid Value"],
      [await api.call(`GET ${FILES}?pageSize=0`), 400, "Invalid Value"],
      [await api.call(`GET ${FILES}?fields=files(`), 400, "Invalid field selection"],
      [await api.call(`POST ${UPLOAD}=multipart`, broken), 400, "Bad Request"],
      [await api.call(`POST ${UPLOAD}=resumable`, { json: { name: "x" } }), 400, "Bad Request"],
      [await api.call(`POST ${FILES}`, { json: { name: "x", parents: ["none"] } }), 404, "File not found: none."],
      [await api.call(`GET ${FILES}/doc-1?alt=media`), 403, "Only files with binary content"],
      [await api.call(`POST ${FILES}/doc-1/permissions`, { json: { role: "reader" } }), 400, "permission type"],
      [await send(api.simulator, "no-such-token", `GET ${FILES}`, {}), 401, "invalid authentication credentials"],
    ] as const;
    for (const [reply, status, message] of refusals) {
      expect([reply.status, at(reply.json, "error.message")]).toEqual([status, expect.stringContaining(message)]);
    }
  });

  it("refuses a body that is larger than 10 MiB", async () => {
    const api = await drive();
    const raw = new Uint8Array(10 * 1024 * 1024 + 1);
    const headers = { authorization: `Bearer ${api.token}`, "content-type": "image/png" };
    const url = `${api.simulator.url}/${UPLOAD}=media`;
    expect((await read(await fetch(url, { method: "POST", headers, body: raw }))).status).toBe(413);
  });
});

const EVENTS = "www.googleapis.com/calendar/v3/calendars/primary/events";
const calendar = async (): Promise<Api> => apiAt(await simulation(), "googlecalendar", "google");
const day = (date: string, more = {}) => ({
  json: {
    summary: `On ${date}`,
    start: { dateTime: `${date}T10:00:00Z` },
    end: { dateTime: `${date}T11:00:00Z` },
    ...more,
  },
});

describe("Google Calendar", () => {
  it("replies in the recorded shapes", async () => {
    const api = await calendar();
    const event = await api.call(`POST ${EVENTS}`, day("2026-12-01", { attendees: [{ email: "bob@example.com" }] }));
    expect(differences("googlecalendar", "events.insert", event)).toEqual([]);
    expect(differences("googlecalendar", "events.list", await api.call(`GET ${EVENTS}`))).toEqual([]);
    expect(
      differences(
        "googlecalendar",
        "calendarList.list",
        await api.call("GET www.googleapis.com/calendar/v3/users/me/calendarList"),
      ),
    ).toEqual([]);
    const busy = { timeMin: "2026-12-01T00:00:00Z", timeMax: "2026-12-02T00:00:00Z", items: [{ id: "primary" }] };
    expect(
      differences(
        "googlecalendar",
        "freebusy.query",
        await api.call("POST www.googleapis.com/calendar/v3/freeBusy", { json: busy }),
      ),
    ).toEqual([]);
    expect(differences("googlecalendar", "error not found", await api.call(`GET ${EVENTS}/none`))).toEqual([]);
    expect(
      differences(
        "googlecalendar",
        "error no end",
        await api.call(`POST ${EVENTS}`, { json: { start: { date: "2026-12-01" } } }),
      ),
    ).toEqual([]);
  });

  it("lists inserted events of a span by their start, and what a patch changed", async () => {
    const api = await calendar();
    const id = textAt(await api.call(`POST ${EVENTS}`, day("2026-12-03")), "id");
    await api.call(`POST ${EVENTS}`, day("2026-12-01"));
    await api.call(`POST ${EVENTS}`, day("2027-01-01"));
    await api.call(`PATCH ${EVENTS}/${id}`, { json: { summary: "Moved", location: "Room 1" } });
    const query = "timeMin=2026-12-01T00:00:00Z&timeMax=2026-12-31T00:00:00Z&singleEvents=true&orderBy=startTime";
    const listed = await api.call(`GET ${EVENTS}?${query}`);
    expect(listed.json["items"]).toMatchObject([
      { summary: "On 2026-12-01" },
      { summary: "Moved", location: "Room 1", start: { dateTime: "2026-12-03T10:00:00Z" } },
    ]);
    await api.call(`DELETE ${EVENTS}/${id}`);
    expect((await api.call(`GET ${EVENTS}?q=room`)).json["items"]).toEqual([]);
  });

  it("adds a Meet link when it is requested", async () => {
    const api = await calendar();
    const wish = day("2026-12-01", { conferenceData: { createRequest: { requestId: "r1" } } });
    const event = await api.call(`POST ${EVENTS}?conferenceDataVersion=1`, wish);
    expect(event.json["hangoutLink"]).toMatch(/^https:\/\/meet\.google\.com\/[a-z]{3}-[a-z]{4}-[a-z]{3}$/);
    expect((await api.call(`POST ${EVENTS}`, wish)).json).not.toHaveProperty("hangoutLink");
  });

  it("leaves the event as the calls made it, without an instant of the run", async () => {
    const api = await calendar();
    const id = textAt(await api.call(`POST ${EVENTS}`, day("2026-12-01")), "id");
    api.simulator.advance(60_000);
    await api.call(`PATCH ${EVENTS}/${id}`, { json: { summary: "Moved" } });
    const state = api.state().objects;
    expect(state).toEqual([
      {
        vendor: "google",
        collection: "events",
        account: "ada@example.com",
        id,
        change: "created",
        data: { ...day("2026-12-01").json, summary: "Moved" },
        content: null,
      },
    ]);
  });

  it("refuses an empty span, an order that needs single events, a bad time, and another calendar", async () => {
    const api = await calendar();
    const backwards = day("2026-12-01", { end: { dateTime: "2026-11-01T00:00:00Z" } });
    const refusals = [
      [await api.call(`POST ${EVENTS}`, backwards), 400, "The specified time range is empty."],
      [await api.call(`POST ${EVENTS}`, day("2026-13-45")), 400, "Invalid start time."],
      [await api.call(`GET ${EVENTS}?orderBy=startTime`), 400, "The requested ordering is not available"],
      [await api.call(`GET ${EVENTS}?timeMin=2026-12-01`), 400, "Bad Request"],
      [await api.call("GET www.googleapis.com/calendar/v3/calendars/bob@example.com/events"), 404, "Not Found"],
    ] as const;
    for (const [reply, status, message] of refusals) {
      expect([reply.status, at(reply.json, "error.message")]).toEqual([status, expect.stringContaining(message)]);
    }
  });
});

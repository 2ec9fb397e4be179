/**
 * Google Drive: files with their content, folders and permissions.
 * https://developers.google.com/workspace/drive/api/reference/rest/v3 (shapes in
 * recorded/googledrive.json)
 *
 * Without `fields` a file has four members. Uploads are `media` or `multipart`. Simplified: no
 * resumable uploads, no shared drives, no export of documents.
 */
import { createHash } from "node:crypto";
import { empty, json, reply } from "../../engine/reply.ts";
import type { Collection, Stored } from "../../engine/objects.ts";
import type { Account, Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../../engine/types.ts";
import { parseJson, person, sha256, stableNumber } from "../../engine/values.ts";
import { iso, list, object, pageOf, pick, sizeOf, text, type Handler } from "../kit/endpoints.ts";
import { compare, compareFolded, comparisons, parseFilter, passes, type Language } from "../kit/filter.ts";
import { multipart } from "../kit/mime.ts";
import { googleEndpoints, listedError } from "./common.ts";
import { files, rootOf } from "./files.ts";

const WRITABLE = (
  "name mimeType description parents properties appProperties starred trashed folderColorRgb " +
  "writersCanShare copyRequiresWriterPermission"
).split(" ");

const GOOGLE_TYPE = /^application\/vnd\.google-apps\./;

export const driveUser = (account: Account): JsonObject => ({
  kind: "drive#user",
  displayName: person(account).full,
  me: true,
  permissionId: String(stableNumber("drive permission", account.email)),
  emailAddress: account.email,
});

const fileNotFound = (id = ""): Reply => listedError(404, "notFound", `File not found: ${id}.`, "fileId");
const invalidValue = (location: string): Reply => listedError(400, "invalid", "Invalid Value", location);
const badRequest = (): Reply => listedError(400, "badRequest", "Bad Request");

const base = ({ id, data }: Stored): JsonObject => ({
  kind: "drive#file",
  id,
  name: data["name"],
  mimeType: data["mimeType"],
});

function contentMembers({ data, content, id }: Stored): JsonObject {
  if (content === null) return {};
  const name = text(data["name"]);
  return {
    size: String(content.length),
    md5Checksum: createHash("md5").update(content).digest("hex"),
    sha256Checksum: sha256(content),
    originalFilename: name,
    fileExtension: name.includes(".") ? name.slice(name.lastIndexOf(".") + 1) : "",
    webContentLink: `https://drive.google.com/uc?id=${id}&export=download`,
  };
}

function whole(stored: Stored, account: Account): JsonObject {
  const { id, data, created_at, changed_at } = stored;
  const me = driveUser(account);
  return {
    ...base(stored),
    starred: false,
    trashed: false,
    explicitlyTrashed: data["trashed"] === true,
    ...data,
    spaces: ["drive"],
    version: "1",
    webViewLink: `https://drive.google.com/file/d/${id}/view?usp=drivesdk`,
    createdTime: iso(created_at),
    modifiedTime: iso(changed_at),
    modifiedByMe: true,
    owners: [me],
    lastModifyingUser: me,
    ownedByMe: true,
    shared: false,
    capabilities: { canEdit: true, canDelete: true, canDownload: true, canShare: true, canTrash: true },
    ...contentMembers(stored),
  };
}

/** With `fields` the mask chooses, without it Drive returns four members. */
const rendered = ({ incoming }: RouteContext, { account }: Caller, stored: Stored): JsonObject =>
  incoming.query.has("fields") ? whole(stored, account) : base(stored);

const contains = (left: Json | undefined, right: Json | undefined): boolean =>
  text(left).toLowerCase().includes(text(right).toLowerCase());

const QUERY: Language = {
  operators: {
    ...comparisons(["=", "!=", "<", "<=", ">", ">="], compareFolded),
    contains,
    in: (left, right) => list(right).some((one) => compare(one, left) === 0),
    has: (left, right) => contains(JSON.stringify(left ?? ""), right),
  },
  functions: {},
};

/** Returns the values that a query can compare. `root` is the root folder. */
const queried = (stored: Stored, account: Account) => {
  const members = whole(stored, account);
  const parents = list(members["parents"]);
  const own: JsonObject = { ...members, fullText: `${text(members["name"])} ${textContent(stored)}` };
  return (name: string): Json | undefined =>
    name === "parents" && parents.includes(rootOf(account.email)) ? [...parents, "root"] : own[name];
};

const textContent = ({ content, data }: Stored): string =>
  content !== null && text(data["mimeType"]).startsWith("text/") ? Buffer.from(content).toString("utf8") : "";

/** Sorts by `modifiedTime desc,name`. */
function sorted(all: readonly Stored[], order: string, account: Account): readonly Stored[] {
  const keys = order.split(",").map((key) => key.trim().split(/\s+/));
  return all.toSorted((one, other) => {
    const [a, b] = [whole(one, account), whole(other, account)];
    const steps = keys.map(([name = "", way]) => (way === "desc" ? -1 : 1) * compareFolded(a[name], b[name]));
    return steps.find((step) => step !== 0) ?? 0;
  });
}

const listFiles: Handler = (context, caller) => {
  const { query } = context.incoming;
  const given = query.get("q") ?? "";
  const filter = given.trim() === "" ? undefined : parseFilter(given, QUERY);
  if (filter === null) return invalidValue("q");
  const size = sizeOf(query.get("pageSize"), 100, 1000);
  if (size === null) return invalidValue("pageSize");
  const { account } = caller;
  const all = context.objects(files, account.email).list();
  const found = all.filter((one) => filter === undefined || passes(filter, QUERY, queried(one, account)));
  const page = pageOf(sorted(found, query.get("orderBy") ?? "", account), size, query.get("pageToken"));
  if (page === null) return invalidValue("pageToken");
  return json(200, {
    kind: "drive#fileList",
    nextPageToken: page.next ?? undefined,
    incompleteSearch: false,
    files: page.items.map((one) => rendered(context, caller, one)),
  });
};

type OnFile = (context: RouteContext, caller: Caller, found: Stored) => Reply;

const onFile =
  (handle: OnFile): Handler =>
  (context, caller) => {
    const id = context.params["file"];
    const found = context.objects(files, caller.account.email).get(id ?? "");
    return found === undefined ? fileNotFound(id) : handle(context, caller, found);
  };

const getFile = onFile((context, caller, found) => {
  if (context.incoming.query.get("alt") !== "media") return json(200, rendered(context, caller, found));
  if (found.content === null) {
    const words = "Only files with binary content can be downloaded. Use Export with Docs Editors files.";
    return listedError(403, "fileNotDownloadable", words, "alt");
  }
  return reply(200, text(found.data["mimeType"]), found.content);
});

interface Upload {
  readonly data: JsonObject;
  readonly content: Uint8Array | undefined;
}

/** Returns the metadata and the content of a request, or null if it is malformed. */
function uploadOf({ incoming }: RouteContext): Upload | null {
  const { headers, query, raw } = incoming;
  if (!incoming.path.startsWith("/upload/")) return { data: pick(incoming.json, WRITABLE), content: undefined };
  const type = headers["content-type"] ?? "application/octet-stream";
  if (query.get("uploadType") === "media") {
    return { data: { mimeType: type.split(";")[0] ?? type }, content: raw };
  }
  const parts = query.get("uploadType") === "multipart" ? multipart(type, raw) : null;
  const [metadata, media] = parts ?? [];
  const members = metadata === undefined ? undefined : parseJson(metadata.body.toString("utf8"));
  if (media === undefined || members === undefined || parts?.length !== 2) return null;
  const given = pick(object(members), WRITABLE);
  return { data: { mimeType: media.type, ...given }, content: media.body };
}

/** Returns the parents that exist, or the first that does not. */
function missingParent({ objects }: RouteContext, { account }: Caller, data: JsonObject): string | undefined {
  const all = objects(files, account.email);
  return list(data["parents"])
    .map(text)
    .find((id) => id !== "root" && id !== rootOf(account.email) && all.get(id) === undefined);
}

const withRoot = (data: JsonObject, { email }: Account): JsonObject => {
  const parents = list(data["parents"]).map((id) => (id === "root" ? rootOf(email) : id));
  return { ...data, parents: parents.length === 0 ? [rootOf(email)] : parents };
};

const create: Handler = (context, caller) => {
  const upload = uploadOf(context);
  if (upload === null) return badRequest();
  const { account } = caller;
  const lost = missingParent(context, caller, upload.data);
  if (lost !== undefined) return fileNotFound(lost);
  const mimeType = upload.data["mimeType"] ?? "application/octet-stream";
  const data = withRoot({ name: "Untitled", ...upload.data, mimeType }, account);
  // A file without a body is empty. Google's own types have no content in Drive.
  const content = upload.content ?? (GOOGLE_TYPE.test(text(mimeType)) ? undefined : Buffer.alloc(0));
  const seed = content === undefined ? { data } : { data, content };
  return json(200, rendered(context, caller, context.objects(files, account.email).add(seed)));
};

const update = onFile((context, caller, found) => {
  const upload = uploadOf(context);
  if (upload === null) return badRequest();
  const { query } = context.incoming;
  const removed = (query.get("removeParents") ?? "").split(",");
  const added = (query.get("addParents") ?? "").split(",").filter((id) => id !== "");
  const kept = list(found.data["parents"])
    .map(text)
    .filter((id) => !removed.includes(id));
  const data = withRoot({ ...found.data, ...upload.data, parents: [...kept, ...added] }, caller.account);
  const lost = missingParent(context, caller, data);
  if (lost !== undefined) return fileNotFound(lost);
  const changed = context.objects(files, caller.account.email).replace(found.id, data, upload.content);
  return json(200, rendered(context, caller, changed));
});

const remove = onFile(({ objects }, { account }, found) => {
  objects(files, account.email).remove(found.id);
  return empty(204);
});

const copy = onFile((context, caller, found) => {
  const name = text(context.incoming.json["name"]) || `Copy of ${text(found.data["name"])}`;
  const data = { ...found.data, ...pick(context.incoming.json, WRITABLE), name };
  const seed = found.content === null ? { data } : { data, content: found.content };
  return json(200, rendered(context, caller, context.objects(files, caller.account.email).add(seed)));
});

const permissions: Collection = {
  name: "permissions",
  newId: (owner, n) => String(stableNumber("drive permission", `${owner} ${n}`)),
};

const ROLES = ["owner", "organizer", "fileOrganizer", "writer", "commenter", "reader"];

const permission = ({ id, data }: Stored): JsonObject => {
  const { file: _file, ...given } = data;
  return { kind: "drive#permission", id, ...given };
};

const share = onFile(({ incoming, objects }, { account }, found) => {
  const data = pick(incoming.json, ["type", "role", "emailAddress", "domain", "allowFileDiscovery"]);
  const is_known = ["user", "group", "domain", "anyone"].includes(text(data["type"]));
  if (!is_known || !ROLES.includes(text(data["role"]))) {
    return listedError(400, "required", "The permission type field is required.", "permission.type");
  }
  return json(200, permission(objects(permissions, account.email).add({ data: { file: found.id, ...data } })));
});

const listPermissions = onFile(({ objects }, { account }, found) => {
  const own = objects(permissions, account.email)
    .list()
    .filter(({ data }) => data["file"] === found.id);
  return json(200, { kind: "drive#permissionList", permissions: own.map(permission) });
});

const FILES = "/drive/v3/files";
const WRITE = ["drive", "drive.file"];
const READ = [...WRITE, "drive.readonly", "drive.metadata", "drive.metadata.readonly"];
const drive = (scopes: readonly string[], table: Readonly<Record<string, Handler>>): TokenRoute[] =>
  googleEndpoints("googledrive", "www.googleapis.com", scopes, table);

export const driveRoutes: readonly TokenRoute[] = [
  ...drive(READ, {
    [`GET ${FILES}`]: listFiles,
    [`GET ${FILES}/:file`]: getFile,
    [`GET ${FILES}/:file/permissions`]: listPermissions,
  }),
  ...drive(WRITE, {
    [`POST ${FILES}`]: create,
    [`POST /upload${FILES}`]: create,
    [`PATCH ${FILES}/:file`]: update,
    [`PATCH /upload${FILES}/:file`]: update,
    [`DELETE ${FILES}/:file`]: remove,
    [`POST ${FILES}/:file/copy`]: copy,
    [`POST ${FILES}/:file/permissions`]: share,
  }),
];

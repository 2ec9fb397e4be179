/**
 * Dropbox: files and folders, at the API's host and at the host for content.
 * https://www.dropbox.com/developers/documentation/http/documentation (shapes in
 * recorded/dropbox.json)
 *
 * Paths are compared without case. The arguments of content calls are JSON in a header, and so is
 * the result of a download. Errors of a call are HTTP 409, malformed arguments HTTP 400 with text.
 */
import { json, reply, text as plain } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Caller, Incoming, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { isObject, parseJson, sha256, stableId } from "../engine/values.ts";
import { endpoints, isoSeconds, object, pageOf, sizeOf, text, type ApiBase, type Handler } from "./kit/endpoints.ts";

export const tagged = (status: number, tag: string, more: JsonObject = {}): Reply =>
  json(status, { error_summary: `${tag}/...`, error: { ".tag": tag, ...more } });

const keyOf = (path: string): string => path.toLowerCase();
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** The id of an entry is its path in lower case. */
const entries: Collection = {
  name: "entries",
  newId: () => "",
  seed: () => [{ id: "/notes.txt", data: { path: "/notes.txt" }, content: Buffer.from("Buy milk.\n") }],
};

const pathOf = ({ data }: Stored): string => text(data["path"]);

/** Returns Dropbox's hash: of the hashes of each 4 MiB. */
function contentHash(content: Uint8Array): string {
  const size = 4 * 1024 * 1024;
  const blocks = Array.from({ length: Math.ceil(content.length / size) }, (_, n) =>
    Buffer.from(sha256(content.subarray(n * size, (n + 1) * size)), "hex"),
  );
  return sha256(Buffer.concat(blocks));
}

function metadata(stored: Stored, is_tagged: boolean): JsonObject {
  const path = pathOf(stored);
  const { content, n, changed_at } = stored;
  const names = { name: nameOf(path), path_lower: keyOf(path), path_display: path };
  const id = `id:${stableId("dropbox entry", String(n), 22)}`;
  const tag = is_tagged ? { ".tag": content === null ? "folder" : "file" } : {};
  if (content === null) return { ...tag, ...names, id };
  return {
    ...tag,
    ...names,
    id,
    client_modified: isoSeconds(changed_at),
    server_modified: isoSeconds(changed_at),
    rev: sha256(`${n} ${contentHash(content)}`).slice(0, 16),
    size: content.length,
    is_downloadable: true,
    content_hash: contentHash(content),
  };
}

const callOf = ({ path }: Incoming): string => path.replace("/2/", "");
const malformed = ({ incoming }: RouteContext, words: string): Reply =>
  plain(400, `Error in call to API function "${callOf(incoming)}": request body: ${words}`);

const lookupError = (why: string, member = "path"): Reply =>
  json(409, { error_summary: `${member}/${why}/..`, error: { ".tag": member, [member]: { ".tag": why } } });

const conflict = (member: string, what: string): Reply => {
  const reason = { ".tag": "conflict", conflict: { ".tag": what } };
  const error = member === "path" ? { ".tag": "path", reason } : { ".tag": member, [member]: reason };
  return json(409, { error_summary: `${member}/conflict/${what}/..`, error });
};

const PATH = /^(?:\/[^/]+)+$/;

const all = ({ objects }: RouteContext, { account }: Caller): Objects => objects(entries, account.email);

/** Returns the arguments of a content call, or null. */
function contentArguments({ headers, query }: Incoming): JsonObject | null {
  const header = headers["dropbox-api-arg"];
  const given = parseJson((Array.isArray(header) ? header[0] : header) ?? query.get("arg") ?? "");
  return isObject(given) ? given : null;
}

type OnPath = (context: RouteContext, stored: Objects, path: string, given: JsonObject) => Reply;

/** Runs a call on the path that its arguments name. Paths can be ids of entries. */
const onPath =
  (handle: OnPath): Handler =>
  (context, caller) => {
    const { incoming } = context;
    const is_content = incoming.host.startsWith("content.");
    const given = is_content ? contentArguments(incoming) : incoming.json;
    if (given === null) return malformed(context, "could not decode input as JSON");
    const named = text(given["path"]);
    const stored = all(context, caller);
    const path = named.startsWith("id:")
      ? (stored
          .list()
          .map((one) => [metadata(one, false)["id"], pathOf(one)])
          .find(([id]) => id === named)?.[1] ?? named)
      : named;
    if (typeof path !== "string") return lookupError("not_found");
    if (path === "/") {
      return malformed(context, 'path: Specify the root folder as an empty string rather than as "/".');
    }
    if (path !== "" && !PATH.test(path) && !path.startsWith("id:")) {
      return malformed(context, `path: '${path}' did not match pattern '(/(.|[\\r\\n])*)|(ns:[0-9]+(/.*)?)|(id:.*)'`);
    }
    return handle(context, stored, path, given);
  };

/** Creates the folders above a path. Returns false if one of them is a file. */
function makeParents(stored: Objects, path: string): boolean {
  const parent = parentOf(path);
  if (parent === "") return true;
  const found = stored.get(keyOf(parent));
  if (found !== undefined) return found.content === null;
  if (!makeParents(stored, parent)) return false;
  stored.add({ id: keyOf(parent), data: { path: parent } });
  return true;
}

/** Returns `/a (1).txt`, the first such path that is free. */
function freePath(stored: Objects, path: string): string {
  const dot = nameOf(path).lastIndexOf(".");
  const cut = dot <= 0 ? path.length : path.length - nameOf(path).length + dot;
  let n = 1;
  const at = () => `${path.slice(0, cut)} (${n})${path.slice(cut)}`;
  while (stored.get(keyOf(at())) !== undefined) n += 1;
  return at();
}

function write(stored: Objects, path: string, given: JsonObject, content: Buffer): Reply {
  const before = stored.get(keyOf(path));
  const mode = text(given["mode"]) || text(object(given["mode"])[".tag"]) || "add";
  if (before !== undefined && before.content === null) return conflict("path", "folder");
  if (!makeParents(stored, path)) return conflict("path", "file_ancestor");
  if (before === undefined) {
    return json(200, metadata(stored.add({ id: keyOf(path), data: { path }, content }), false));
  }
  if (mode === "add" && given["autorename"] === true) {
    const free = freePath(stored, path);
    return json(200, metadata(stored.add({ id: keyOf(free), data: { path: free }, content }), false));
  }
  const is_same = before.content !== null && content.equals(before.content);
  const is_current = metadata(before, false)["rev"] === object(given["mode"])["update"];
  if (mode === "overwrite" || is_current || is_same) {
    return json(200, metadata(stored.replace(before.id, before.data, content), false));
  }
  return conflict("path", "file");
}

const BYTES = /^(?:application\/octet-stream|text\/plain; *charset=dropbox-cors-hack)/;

const upload = onPath((context, stored, path, given) => {
  const { headers, raw } = context.incoming;
  const type = headers["content-type"] ?? "";
  if (!BYTES.test(type)) {
    const expected = 'Expecting one of "application/octet-stream", "text/plain; charset=dropbox-cors-hack".';
    return plain(
      400,
      `Error in call to API function "files/upload": Bad HTTP "Content-Type" header: "${type}". ${expected}`,
    );
  }
  return path === "" ? lookupError("malformed_path") : write(stored, path, given, raw);
});

/** JSON that fits into a header: everything but ASCII is escaped. */
const asciiJson = (value: JsonObject): string =>
  JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (sign) => String.raw`\u` + sign.charCodeAt(0).toString(16).padStart(4, "0"),
  );

const download = onPath((_, stored, path) => {
  const found = stored.get(keyOf(path));
  if (found === undefined) return lookupError("not_found");
  if (found.content === null) return lookupError("not_file");
  const result = { "dropbox-api-result": asciiJson(metadata(found, false)) };
  return reply(200, "application/octet-stream", found.content, result);
});

const getMetadata = onPath((context, stored, path) => {
  if (path === "") return malformed(context, "path: The root folder is unsupported.");
  const found = stored.get(keyOf(path));
  return found === undefined ? lookupError("not_found") : json(200, metadata(found, true));
});

const isBelow = (path: string, folder: string, recursive: boolean): boolean =>
  recursive ? path.startsWith(`${folder}/`) : parentOf(path) === folder;

interface Cursor {
  readonly path: string;
  readonly recursive: boolean;
  readonly size: number;
  readonly after: string;
}

function listFrom(stored: Objects, cursor: Cursor): Reply {
  const inside = stored.list().filter(({ id }) => isBelow(id, keyOf(cursor.path), cursor.recursive));
  const page = pageOf(inside, cursor.size, cursor.after);
  if (page === null) return tagged(409, "reset");
  const after = page.next ?? String(inside.length);
  const next = Buffer.from(JSON.stringify({ ...cursor, after })).toString("base64url");
  const found = page.items.map((one) => metadata(one, true));
  return json(200, { entries: found, cursor: next, has_more: page.next !== null });
}

const listFolder = onPath((context, stored, path, given) => {
  const folder = path === "" ? undefined : stored.get(keyOf(path));
  if (path !== "" && folder === undefined) return lookupError("not_found");
  if (folder !== undefined && folder.content !== null) return lookupError("not_folder");
  const size = sizeOf(typeof given["limit"] === "number" ? given["limit"] : null, 500, 2000);
  if (size === null) return malformed(context, "limit: must be between 1 and 2000");
  return listFrom(stored, { path, recursive: given["recursive"] === true, size, after: "" });
});

const listContinue: Handler = (context, caller) => {
  const given = parseJson(Buffer.from(text(context.incoming.json["cursor"]), "base64url").toString("utf8"));
  if (!isObject(given) || typeof given["size"] !== "number") return tagged(409, "reset");
  const { path, recursive, size, after } = given;
  return listFrom(all(context, caller), { path: text(path), recursive: recursive === true, size, after: text(after) });
};

const createFolder = onPath((_, stored, path) => {
  if (path === "") return lookupError("malformed_path");
  const found = stored.get(keyOf(path));
  if (found !== undefined) return conflict("path", found.content === null ? "folder" : "file");
  if (!makeParents(stored, path)) return conflict("path", "file_ancestor");
  return json(200, { metadata: metadata(stored.add({ id: keyOf(path), data: { path } }), false) });
});

const remove = onPath((_, stored, path) => {
  const found = stored.get(keyOf(path));
  if (found === undefined) return lookupError("not_found", "path_lookup");
  for (const { id } of stored.list()) if (isBelow(id, found.id, true)) stored.remove(id);
  stored.remove(found.id);
  return json(200, { metadata: metadata(found, true) });
});

/** Moves or copies one file. Folders are not simulated. */
const relocate: Handler = (context, caller) => {
  const stored = all(context, caller);
  const { from_path, to_path, autorename } = context.incoming.json;
  const found = stored.get(keyOf(text(from_path)));
  const wanted = text(to_path);
  if (!PATH.test(wanted)) return malformed(context, `to_path: '${wanted}' did not match pattern`);
  if (found === undefined || found.content === null) return lookupError("not_found", "from_lookup");
  const is_taken = stored.get(keyOf(wanted)) !== undefined;
  if (is_taken && autorename !== true) return conflict("to", "file");
  const path = is_taken ? freePath(stored, wanted) : wanted;
  if (!makeParents(stored, path)) return conflict("to", "file_ancestor");
  if (callOf(context.incoming) === "files/move_v2") stored.remove(found.id);
  const added = stored.add({ id: keyOf(path), data: { path }, content: found.content });
  return json(200, { metadata: metadata(added, true) });
};

export const dropboxRoutes = (base: ApiBase): TokenRoute[] => {
  const content = { ...base, hosts: ["content.dropboxapi.com"] };
  return [
    ...endpoints(base, ["files.metadata.read"], {
      "POST /2/files/list_folder": listFolder,
      "POST /2/files/list_folder/continue": listContinue,
      "POST /2/files/get_metadata": getMetadata,
    }),
    ...endpoints(base, ["files.content.write"], {
      "POST /2/files/create_folder_v2": createFolder,
      "POST /2/files/delete_v2": remove,
      "POST /2/files/move_v2": relocate,
      "POST /2/files/copy_v2": relocate,
    }),
    ...endpoints(content, ["files.content.write"], { "POST /2/files/upload": upload }),
    ...endpoints(content, ["files.content.read"], {
      "POST /2/files/download": download,
      "GET /2/files/download": download,
    }),
  ];
};

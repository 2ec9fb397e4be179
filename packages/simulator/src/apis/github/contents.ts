/** The files of a repository. https://docs.github.com/en/rest/repos/contents */
import { createHash } from "node:crypto";
import type { Collection, Objects, Seed, Stored } from "../../engine/objects.ts";
import { json, reply } from "../../engine/reply.ts";
import type { Json, JsonObject, Reply, RouteContext } from "../../engine/types.ts";
import { stableNumber } from "../../engine/values.ts";
import { isoSeconds, text } from "../kit/endpoints.ts";
import { bodyOf, inRepository, loginOf, message, missingField, nodeId, notFound, type Place } from "./common.ts";

/** The id of a file is its path. Owned by a repository, as issues and comments are. */
export const contents: Collection = {
  name: "contents",
  newId: () => "",
  seed: (full_name): Seed[] =>
    full_name.endsWith("/hello")
      ? [{ id: "README.md", data: { path: "README.md" }, content: Buffer.from("# hello\n") }]
      : [],
};
const filesOf = ({ context, full_name }: Place): Objects => context.objects(contents, full_name);

/** Returns git's hash of a file. */
const blobSha = (content: Uint8Array): string =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

const bytesOf = ({ content }: Stored): Uint8Array => content ?? Buffer.alloc(0);

/** Returns a file or folder in the form of list items. */
function entry({ full_name }: Place, path: string, content: Uint8Array | null): JsonObject {
  const sha = content === null ? createHash("sha1").update(`tree ${path}`).digest("hex") : blobSha(content);
  const [self, git, html] = [
    `https://api.github.com/repos/${full_name}/contents/${path}`,
    `https://api.github.com/repos/${full_name}/git/${content === null ? "trees" : "blobs"}/${sha}`,
    `https://github.com/${full_name}/${content === null ? "tree" : "blob"}/main/${path}`,
  ];
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    path,
    sha,
    size: content?.length ?? 0,
    url: self,
    html_url: html,
    git_url: git,
    download_url: content === null ? null : `https://raw.githubusercontent.com/${full_name}/main/${path}`,
    type: content === null ? "dir" : "file",
    _links: { self, git, html },
  };
}

/** Returns the base64 of a file in lines of 60 characters, as GitHub does. */
const inLines = (content: Uint8Array): string =>
  (
    Buffer.from(content)
      .toString("base64")
      .match(/.{1,60}/g) ?? []
  )
    .map((line) => `${line}\n`)
    .join("");

function listDirectory(place: Place, folder: string): Reply {
  const prefix = folder === "" ? "" : `${folder}/`;
  const inside = filesOf(place)
    .list()
    .filter(({ id }) => id.startsWith(prefix));
  if (inside.length === 0 && folder !== "") return notFound();
  const names = new Map(
    inside.map((file) => {
      const [name = "", ...rest] = file.id.slice(prefix.length).split("/");
      return [name, rest.length === 0 ? bytesOf(file) : null] as const;
    }),
  );
  return json(
    200,
    Array.from(names, ([name, content]) => entry(place, `${prefix}${name}`, content)),
  );
}

const pathIn = ({ params }: RouteContext): string => (params["path"] ?? "").replace(/\/$/, "");

export const getContents = inRepository((place) => {
  const path = pathIn(place.context);
  const found = filesOf(place).get(path);
  if (found === undefined) return listDirectory(place, path);
  const content = bytesOf(found);
  if (/\braw\b/.test(place.context.incoming.headers.accept ?? "")) {
    return reply(200, "application/vnd.github.raw+json; charset=utf-8", content);
  }
  return json(200, { ...entry(place, path, content), content: inLines(content), encoding: "base64" });
});

/** Returns a commit made by the caller. There is no history, so it has no parent. */
function commitOf({ account, full_name, context }: Place, words: string): JsonObject {
  const sha = createHash("sha1").update(`${full_name} ${words} ${context.now}`).digest("hex");
  const by = { name: loginOf(account), email: account.email, date: isoSeconds(context.now) };
  const url = `https://api.github.com/repos/${full_name}/git/commits/${sha}`;
  return {
    sha,
    node_id: nodeId("Commit", stableNumber("github commit", sha)),
    url,
    html_url: `https://github.com/${full_name}/commit/${sha}`,
    author: by,
    committer: by,
    message: words,
    tree: { url: url.replace("commits", "trees"), sha },
    parents: [],
    verification: { verified: false, reason: "unsigned", signature: null, payload: null, verified_at: null },
  };
}

/** Returns why a change of a file is refused, or null. */
function shaProblem(found: Stored | undefined, path: string, sha: Json | undefined): Reply | null {
  if (found === undefined) return null;
  if (text(sha) === "") return missingField("sha");
  return text(sha) === blobSha(bytesOf(found)) ? null : message(409, `${path} does not match ${text(sha)}`);
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export const putContents = inRepository((place) => {
  const body = bodyOf(place.context.incoming);
  const path = pathIn(place.context);
  const missing = ["message", "content"].find((field) => typeof body[field] !== "string");
  if (missing !== undefined) return missingField(missing);
  if (path === "" || path.split("/").some((part) => ["", ".", "..", ".git"].includes(part))) {
    return message(422, "path contains a malformed path component");
  }
  const encoded = text(body["content"]).replaceAll(/\s/g, "");
  if (!BASE64.test(encoded)) return message(422, "content is not valid Base64");
  const files = filesOf(place);
  const found = files.get(path);
  const problem = shaProblem(found, path, body["sha"]);
  if (problem !== null) return problem;
  const content = Buffer.from(encoded, "base64");
  const words = text(body["message"]);
  const data = { path, message: words };
  if (found === undefined) files.add({ id: path, data, content });
  else files.replace(path, data, content);
  return json(found === undefined ? 201 : 200, {
    content: entry(place, path, content),
    commit: commitOf(place, words),
  });
});

export const deleteContents = inRepository((place) => {
  const { incoming } = place.context;
  const path = pathIn(place.context);
  const body = { ...Object.fromEntries(incoming.query), ...bodyOf(incoming) };
  const files = filesOf(place);
  const found = files.get(path);
  if (found === undefined) return notFound();
  if (typeof body["message"] !== "string") return missingField("message");
  const problem = shaProblem(found, path, body["sha"]);
  if (problem !== null) return problem;
  files.remove(path);
  return json(200, { content: null, commit: commitOf(place, text(body["message"])) });
});

/** The common parts of all GitHub calls: refusals, users, pages, and finding a repository. */
import type { Collection, Stored } from "../../engine/objects.ts";
import { json } from "../../engine/reply.ts";
import type { Account, Caller, Incoming, JsonObject, Reply, RouteContext } from "../../engine/types.ts";
import { isObject, parseJson, stableNumber } from "../../engine/values.ts";
import { pageOf, sizeOf, type Handler } from "../kit/endpoints.ts";

const DOCS = "https://docs.github.com/rest";

export const message = (status: number, words: string, headers: Readonly<Record<string, string>> = {}): Reply =>
  json(status, { message: words, documentation_url: DOCS, status: String(status) }, headers);

export const notFound = (): Reply => message(404, "Not Found");
export const missingField = (field: string): Reply => message(422, `Invalid request.\n\n"${field}" wasn't supplied.`);

export const invalid = (words: string, error: JsonObject): Reply =>
  json(422, { message: words, errors: [error], documentation_url: DOCS, status: "422" });

export const loginOf = ({ name, org }: Account): string =>
  org === "acme" ? name : `${name}-${org.replaceAll(".", "-")}`;

export function owner(account: Account): JsonObject {
  const login = loginOf(account);
  const id = stableNumber("github", account.email);
  return {
    login,
    id,
    node_id: Buffer.from(`04:User${id}`).toString("base64"),
    avatar_url: `https://avatars.githubusercontent.com/u/${id}?v=4`,
    url: `https://api.github.com/users/${login}`,
    html_url: `https://github.com/${login}`,
    type: "User",
    site_admin: false,
  };
}

/** The id of a repository is its name. */
export const repositories: Collection = {
  name: "repositories",
  newId: () => "",
  seed: () => [{ id: "hello", data: { name: "hello", description: "My first repository", private: false } }],
};

/** The JSON of a body. Fetch sends text without a type as text/plain, and GitHub reads it. */
export function bodyOf({ json: parsed, raw, body_type }: Incoming): JsonObject {
  const value = body_type === "json" ? parsed : parseJson(raw.toString("utf8"));
  return isObject(value) ? value : {};
}

export const nodeId = (kind: string, id: number): string => Buffer.from(`${kind}${id}`).toString("base64");

/** Returns a page of a list with its Link header (RFC 8288). */
export function paged({ incoming }: RouteContext, rows: readonly JsonObject[]): Reply {
  const { query, path } = incoming;
  const size = sizeOf(query.get("per_page"), 30, 100) ?? 30;
  const number = sizeOf(query.get("page"), 1, 1_000_000) ?? 1;
  const shown = pageOf(rows, size, String((number - 1) * size));
  const link = (page: number, rel: string): string => {
    const next = new URLSearchParams(query);
    next.set("page", String(page));
    return `<https://api.github.com${path}?${next.toString()}>; rel="${rel}"`;
  };
  const last = Math.ceil(rows.length / size);
  const links = [
    ...(number > 1 ? [link(number - 1, "prev"), link(1, "first")] : []),
    ...(number < last ? [link(number + 1, "next"), link(last, "last")] : []),
  ];
  return json(200, shown?.items ?? [], links.length === 0 ? {} : { link: links.join(", ") });
}

export interface Place {
  readonly context: RouteContext;
  readonly account: Account;
  readonly full_name: string;
  readonly found: Stored;
}

export const inRepository =
  (handle: (place: Place, caller: Caller) => Reply): Handler =>
  (context, caller) => {
    const { owner: login = "", repo = "" } = context.params;
    const { account } = caller;
    if (login.toLowerCase() !== loginOf(account).toLowerCase()) return notFound();
    const found = context.objects(repositories, loginOf(account)).get(repo);
    if (found === undefined) return notFound();
    return handle({ context, account, full_name: `${loginOf(account)}/${repo}`, found }, caller);
  };

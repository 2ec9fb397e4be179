/**
 * GitHub: repositories, their contents and issues.
 * https://docs.github.com/en/rest (shapes in recorded/github.json)
 *
 * A user sees only own repositories. Lists have pages in the Link header. Simplified: a repository
 * has one branch and no history, so that `ref` is not read, and most URLs inside objects are left
 * out. Bodies are JSON of any content type.
 */
import type { Stored } from "../../engine/objects.ts";
import { json } from "../../engine/reply.ts";
import type { Account, Caller, JsonObject, RouteContext, TokenRoute } from "../../engine/types.ts";
import { stableNumber } from "../../engine/values.ts";
import { endpoints, isoSeconds, pick, text, type ApiBase, type Handler } from "../kit/endpoints.ts";
import { bodyOf, inRepository, invalid, loginOf, nodeId, notFound, owner, paged, repositories } from "./common.ts";
import { contents, deleteContents, getContents, putContents } from "./contents.ts";
import { createComment, createIssue, getIssue, listComments, listIssues, openIssues, updateIssue } from "./issues.ts";

function repository(stored: Stored, account: Account, open_issues: number): JsonObject {
  const { data, created_at, changed_at } = stored;
  const name = text(data["name"]);
  const full_name = `${loginOf(account)}/${name}`;
  const id = stableNumber("github repository", full_name);
  const is_private = data["private"] === true;
  return {
    id,
    node_id: nodeId("Repository", id),
    name,
    full_name,
    owner: owner(account),
    private: is_private,
    html_url: `https://github.com/${full_name}`,
    description: data["description"] ?? null,
    fork: false,
    url: `https://api.github.com/repos/${full_name}`,
    homepage: data["homepage"] ?? null,
    language: null,
    forks_count: 0,
    stargazers_count: 0,
    watchers_count: 0,
    size: 1,
    default_branch: "main",
    open_issues_count: open_issues,
    is_template: false,
    topics: [],
    has_issues: true,
    has_projects: true,
    has_wiki: true,
    archived: false,
    disabled: false,
    visibility: is_private ? "private" : "public",
    pushed_at: isoSeconds(changed_at),
    created_at: isoSeconds(created_at),
    updated_at: isoSeconds(changed_at),
    permissions: { admin: true, push: true, pull: true },
  };
}

const rendered = (context: RouteContext, { account }: Caller, stored: Stored): JsonObject =>
  repository(stored, account, openIssues(context, `${loginOf(account)}/${stored.id}`));

const listRepositories: Handler = (context, caller) => {
  const { params, objects } = context;
  const login = loginOf(caller.account);
  if ((params["login"] ?? login) !== login) return notFound();
  const all = objects(repositories, login).list();
  return paged(
    context,
    all.map((one) => rendered(context, caller, one)),
  );
};

const createRepository: Handler = (context, caller) => {
  const body = bodyOf(context.incoming);
  const name = text(body["name"])
    .trim()
    .replaceAll(/[^\w.-]+/g, "-");
  const failed = "Repository creation failed.";
  const where = { resource: "Repository", field: "name" };
  if (name === "") return invalid(failed, { ...where, code: "missing_field" });
  const all = context.objects(repositories, loginOf(caller.account));
  if (all.get(name) !== undefined) {
    return invalid(failed, { ...where, code: "custom", message: "name already exists on this account" });
  }
  const data = { name, ...pick(body, ["description", "homepage"]), private: body["private"] === true };
  const added = all.add({ id: name, data });
  if (body["auto_init"] === true) {
    const content = Buffer.from(`# ${name}\n`);
    context
      .objects(contents, `${loginOf(caller.account)}/${name}`)
      .add({ id: "README.md", data: { path: "README.md" }, content });
  }
  return json(201, rendered(context, caller, added));
};

const getRepository = inRepository(({ context, found }, caller) => json(200, rendered(context, caller, found)));

const REPO = "/repos/:owner/:repo";

export const githubRoutes = (base: ApiBase): TokenRoute[] => [
  ...endpoints(base, null, {
    "GET /user/repos": listRepositories,
    "GET /users/:login/repos": listRepositories,
    [`GET ${REPO}`]: getRepository,
    [`GET ${REPO}/contents`]: getContents,
    [`GET ${REPO}/contents/*path`]: getContents,
    [`GET ${REPO}/issues`]: listIssues,
    [`GET ${REPO}/issues/:number`]: getIssue,
    [`GET ${REPO}/issues/:number/comments`]: listComments,
  }),
  ...endpoints(base, ["repo", "public_repo"], {
    "POST /user/repos": createRepository,
    [`PUT ${REPO}/contents/*path`]: putContents,
    [`DELETE ${REPO}/contents/*path`]: deleteContents,
    [`POST ${REPO}/issues`]: createIssue,
    [`PATCH ${REPO}/issues/:number`]: updateIssue,
    [`POST ${REPO}/issues/:number/comments`]: createComment,
  }),
];

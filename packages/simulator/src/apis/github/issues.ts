/** The issues of a repository, and their comments. https://docs.github.com/en/rest/issues */
import type { Collection, Objects, Stored } from "../../engine/objects.ts";
import { json } from "../../engine/reply.ts";
import type { Caller, Json, JsonObject, Reply, RouteContext } from "../../engine/types.ts";
import { isObject, stableNumber } from "../../engine/values.ts";
import { isoSeconds, list, pick, text, type Handler } from "../kit/endpoints.ts";
import { bodyOf, inRepository, invalid, missingField, nodeId, notFound, owner, paged, type Place } from "./common.ts";

const issues: Collection = { name: "issues", newId: (_, n) => String(n) };
const comments: Collection = { name: "comments", newId: (_, n) => String(n) };

export const openIssues = ({ objects }: RouteContext, full_name: string): number =>
  objects(issues, full_name)
    .list()
    .filter(({ data }) => data["state"] === "open").length;

const labelOf = (name: string): JsonObject => {
  const id = stableNumber("github label", name);
  return { id, node_id: nodeId("Label", id), name, color: "ededed", default: false, description: null };
};

/** Labels are sent as names, or as objects with a name. */
const labelNames = (value: Json | undefined): string[] =>
  list(value)
    .map((one) => text(isObject(one) ? one["name"] : one))
    .filter((name) => name !== "");

const commentsOf = ({ context, full_name }: Place, number: string): readonly Stored[] =>
  context
    .objects(comments, full_name)
    .list()
    .filter(({ data }) => data["issue"] === number);

function issue(place: Place, stored: Stored): JsonObject {
  const { account, full_name } = place;
  const { id: number, data, created_at, changed_at } = stored;
  const id = stableNumber("github issue", `${full_name} ${number}`);
  const url = `https://api.github.com/repos/${full_name}/issues/${number}`;
  const people = list(data["assignees"]).map((login) => ({ ...owner(account), login }));
  const is_open = data["state"] === "open";
  return {
    id,
    node_id: nodeId("Issue", id),
    url,
    repository_url: `https://api.github.com/repos/${full_name}`,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    html_url: `https://github.com/${full_name}/issues/${number}`,
    number: Number(number),
    state: data["state"],
    state_reason: data["state_reason"] ?? null,
    title: data["title"],
    body: data["body"] ?? null,
    user: owner(account),
    labels: labelNames(data["labels"]).map(labelOf),
    assignee: people[0] ?? null,
    assignees: people,
    milestone: null,
    locked: false,
    comments: commentsOf(place, number).length,
    closed_at: is_open ? null : isoSeconds(changed_at),
    created_at: isoSeconds(created_at),
    updated_at: isoSeconds(changed_at),
    author_association: "OWNER",
  };
}

const issuesOf = ({ context, full_name }: Place): Objects => context.objects(issues, full_name);

/** Newest first. */
export const listIssues = inRepository((place) => {
  const { query } = place.context.incoming;
  const wanted = query.get("state") ?? "open";
  const labels = (query.get("labels") ?? "").split(",").filter((name) => name !== "");
  const found = issuesOf(place)
    .list()
    .filter(({ data }) => {
      const own = labelNames(data["labels"]);
      return (wanted === "all" || data["state"] === wanted) && labels.every((name) => own.includes(name));
    });
  const sorted = query.get("direction") === "asc" ? found : found.toReversed();
  return paged(
    place.context,
    sorted.map((one) => issue(place, one)),
  );
});

const WRITABLE = ["title", "body", "state", "state_reason", "labels", "assignees"];

/** Returns why the members of an issue are refused, or null. */
function issueProblem(body: JsonObject): Reply | null {
  const { state, title } = body;
  if (title !== undefined && (typeof title !== "string" || title.trim() === "")) {
    return invalid("Validation Failed", { resource: "Issue", code: "missing_field", field: "title" });
  }
  if (state === undefined || state === "open" || state === "closed") return null;
  return invalid("Validation Failed", { resource: "Issue", code: "invalid", field: "state" });
}

export const createIssue = inRepository((place) => {
  const body = bodyOf(place.context.incoming);
  if (body["title"] === undefined) return missingField("title");
  const problem = issueProblem(body);
  if (problem !== null) return problem;
  const given = { ...pick(body, WRITABLE), state: "open", labels: labelNames(body["labels"]) };
  return json(201, issue(place, issuesOf(place).add({ data: given })));
});

const onIssue = (handle: (place: Place, found: Stored, caller: Caller) => Reply): Handler =>
  inRepository((place, caller) => {
    const found = issuesOf(place).get(place.context.params["number"] ?? "");
    return found === undefined ? notFound() : handle(place, found, caller);
  });

export const getIssue = onIssue((place, found) => json(200, issue(place, found)));

export const updateIssue = onIssue((place, found) => {
  const body = bodyOf(place.context.incoming);
  const problem = issueProblem(body);
  if (problem !== null) return problem;
  const labels = body["labels"] === undefined ? {} : { labels: labelNames(body["labels"]) };
  const data = { ...found.data, ...pick(body, WRITABLE), ...labels };
  return json(200, issue(place, issuesOf(place).replace(found.id, data)));
});

function comment({ account, full_name }: Place, { id, data, created_at, changed_at }: Stored): JsonObject {
  const number = stableNumber("github comment", `${full_name} ${id}`);
  const issue_url = `https://api.github.com/repos/${full_name}/issues/${text(data["issue"])}`;
  return {
    id: number,
    node_id: nodeId("IssueComment", number),
    url: `https://api.github.com/repos/${full_name}/issues/comments/${number}`,
    html_url: `https://github.com/${full_name}/issues/${text(data["issue"])}#issuecomment-${number}`,
    body: data["body"],
    user: owner(account),
    created_at: isoSeconds(created_at),
    updated_at: isoSeconds(changed_at),
    issue_url,
    author_association: "OWNER",
  };
}

export const listComments = onIssue((place, found) =>
  paged(
    place.context,
    commentsOf(place, found.id).map((one) => comment(place, one)),
  ),
);

export const createComment = onIssue((place, found) => {
  const body = text(bodyOf(place.context.incoming)["body"]);
  if (body === "") return missingField("body");
  const data = { issue: found.id, body };
  return json(201, comment(place, place.context.objects(comments, place.full_name).add({ data })));
});

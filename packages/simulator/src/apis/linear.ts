/**
 * Linear's GraphQL API: teams, users and issues of an organization.
 * https://linear.app/developers/graphql (shapes from the published schema, in recorded/linear.json)
 *
 * Simplified: an issue has no project, cycle, parent or history. A mutation applies the fields in
 * WRITABLE. Unverified: the status of refused mutations.
 */
import { json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Account, Caller, Json, JsonObject, Reply, RouteContext } from "../engine/types.ts";
import { orgName, person, stableUuid } from "../engine/values.ts";
import { iso, list, object, pick, text } from "./kit/endpoints.ts";
import { execute, GraphqlError } from "./kit/graphql.ts";
import { connection, filtered, InputError, type Tree } from "./linear-lists.ts";
import { unfilled } from "./linear-schema.ts";

export const failure = (message: string, code: string, type: string): JsonObject => ({
  errors: [{ message, extensions: { code, type, userError: true, userPresentableMessage: message } }],
});

const STATES = [
  ["Backlog", "backlog"],
  ["Todo", "unstarted"],
  ["In Progress", "started"],
  ["Done", "completed"],
  ["Canceled", "canceled"],
] as const;
const PRIORITIES = ["No priority", "Urgent", "High", "Normal", "Low"];
const LABELS = ["Bug", "Feature", "Improvement"];
const NAMES = ["ada", "bob", "carol"];

const teamId = (org: string): string => stableUuid("linear team", org);
const stateId = (org: string, name: string): string => stableUuid("linear state", `${org} ${name}`);
const labelId = (org: string, name: string): string => stableUuid("linear label", `${org} ${name}`);
const userId = (email: string): string => stableUuid("linear", email);

const issues: Collection = {
  name: "issues",
  newId: (owner, n) => stableUuid("linear issue", `${owner} ${n}`),
  seed: (owner) => [{ data: { teamId: teamId(owner), title: "Welcome to Linear", priority: 0 } }],
};
const comments: Collection = { name: "comments", newId: (owner, n) => stableUuid("linear comment", `${owner} ${n}`) };

const WRITABLE = "teamId title description priority stateId assigneeId labelIds dueDate estimate".split(" ");

class ScopeError extends Error {}

interface Org {
  readonly account: Account;
  readonly scopes: readonly string[];
  readonly issues: Objects;
  readonly comments: Objects;
}

const membersOf = ({ account }: Org): Account[] => {
  const domain = account.email.slice(account.email.indexOf("@"));
  return [...new Set([...NAMES, account.name])].map((name) => ({ ...account, name, email: `${name}${domain}` }));
};

const user = (account: Account): Tree => ({
  ...unfilled("User"),
  id: userId(account.email),
  name: person(account).full,
  displayName: account.name,
  email: account.email,
  active: true,
  admin: false,
  isAssignable: true,
  isMentionable: true,
  url: `https://linear.app/${account.org}/profiles/${account.name}`,
  organization: organization(account),
});

const organization = (account: Account): Tree => ({
  __typename: "Organization",
  id: stableUuid("linear org", account.org),
  urlKey: account.org,
  name: orgName(account),
});

const state = (org: string, [name, type]: (typeof STATES)[number], position: number): Tree => ({
  ...unfilled("WorkflowState"),
  id: stateId(org, name),
  name,
  type,
  color: "#e2e2e2",
  position,
});

const label = (org: string, name: string): Tree => ({
  ...unfilled("IssueLabel"),
  id: labelId(org, name),
  name,
  color: "#e2e2e2",
});

const team = (org: Org): Tree => ({
  ...unfilled("Team"),
  id: teamId(org.account.org),
  key: "ENG",
  name: "Engineering",
  displayName: "Engineering",
  description: null,
  organization: organization(org.account),
  states: (args) =>
    filtered(
      "WorkflowState",
      STATES.map((one, n) => state(org.account.org, one, n)),
      args,
    ),
  labels: (args) =>
    filtered(
      "IssueLabel",
      LABELS.map((name) => label(org.account.org, name)),
      args,
    ),
  members: (args) => filtered("User", membersOf(org).map(user), args),
  issues: (args) =>
    filtered(
      "Issue",
      org.issues.list().map((one) => issue(org, one)),
      args,
    ),
});

const commentOf = (org: Org, { id, data, created_at, changed_at }: Stored): Tree => ({
  ...unfilled("Comment"),
  id,
  body: data["body"],
  createdAt: iso(created_at),
  updatedAt: iso(changed_at),
  user: user(org.account),
  issue: () => findIssue(org, text(data["issueId"])),
});

function issue(org: Org, stored: Stored): Tree {
  const { id, n, data, created_at, changed_at } = stored;
  const own = org.account.org;
  const states = STATES.map((one, position) => state(own, one, position));
  const current = states.find((one) => one["id"] === data["stateId"]) ?? states[0] ?? {};
  const assignee = membersOf(org).find(({ email }) => userId(email) === data["assigneeId"]);
  const priority = typeof data["priority"] === "number" ? data["priority"] : 0;
  const labelIds = list(data["labelIds"]);
  const slug = text(data["title"])
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  return {
    ...unfilled("Issue"),
    sharedAccess: {
      __typename: "IssueSharedAccess",
      isShared: false,
      viewerHasOnlySharedAccess: false,
      sharedWithCount: 0,
      sharedWithUsers: [],
      disallowedIssueFields: [],
    },
    id,
    identifier: `ENG-${n}`,
    number: n,
    title: data["title"],
    description: data["description"] ?? null,
    priority,
    priorityLabel: PRIORITIES[priority],
    estimate: data["estimate"] ?? null,
    dueDate: data["dueDate"] ?? null,
    url: `https://linear.app/${own}/issue/ENG-${n}/${slug}`,
    branchName: `${org.account.name}/eng-${n}-${slug}`,
    createdAt: iso(created_at),
    updatedAt: iso(changed_at),
    archivedAt: null,
    completedAt: current["type"] === "completed" ? iso(changed_at) : null,
    canceledAt: current["type"] === "canceled" ? iso(changed_at) : null,
    state: current,
    team: () => team(org),
    creator: user(org.account),
    assignee: assignee === undefined ? null : user(assignee),
    labelIds,
    labels: (args) =>
      filtered(
        "IssueLabel",
        LABELS.filter((name) => labelIds.includes(labelId(own, name))).map((name) => label(own, name)),
        args,
      ),
    comments: (args) =>
      connection(
        "Comment",
        org.comments
          .list()
          .filter((one) => one.data["issueId"] === id)
          .map((one) => commentOf(org, one)),
        args,
      ),
  };
}

/** Finds an issue by its id or by its identifier `ENG-1`. */
const storedIssue = (org: Org, id: string): Stored => {
  const found = org.issues.get(id) ?? org.issues.list().find(({ n }) => `ENG-${n}` === id.toUpperCase());
  if (found === undefined) throw new InputError("Entity not found: Issue - Could not find referenced Issue.");
  return found;
};

const findIssue = (org: Org, id: string): Tree => issue(org, storedIssue(org, id));

function byOrder(all: readonly Stored[], { orderBy }: JsonObject): readonly Stored[] {
  return orderBy === "updatedAt" ? all.toSorted((one, other) => other.changed_at - one.changed_at) : all.toReversed();
}

const queries = (org: Org): Tree => ({
  __typename: "Query",
  viewer: { ...user(org.account), isMe: true, organization: organization(org.account) },
  organization: organization(org.account),
  teams: (args) => filtered("Team", [team(org)], args),
  team: ({ id }) => {
    const found = team(org);
    if (id !== found["id"] && id !== "ENG") throw new InputError("Entity not found: Team");
    return found;
  },
  users: (args) => filtered("User", membersOf(org).map(user), args),
  workflowStates: (args) =>
    filtered(
      "WorkflowState",
      STATES.map((one, n) => ({ ...state(org.account.org, one, n), team: team(org) })),
      args,
    ),
  issueLabels: (args) =>
    filtered(
      "IssueLabel",
      LABELS.map((name) => label(org.account.org, name)),
      args,
    ),
  issues: (args) =>
    filtered(
      "Issue",
      byOrder(org.issues.list(), args).map((one) => issue(org, one)),
      args,
    ),
  issue: ({ id }) => findIssue(org, text(id)),
});

const requireScope = ({ scopes }: Org, ...wanted: readonly string[]): void => {
  if (!wanted.some((scope) => scopes.includes(scope))) throw new ScopeError("Invalid scope: `write` required");
};

/** Refuses references to missing objects. */
function checkInput({ account }: Org, input: JsonObject): void {
  const { org } = account;
  const given: readonly (readonly [string, Json | undefined, readonly string[]])[] = [
    ["Team", input["teamId"], [teamId(org)]],
    ["WorkflowState", input["stateId"], STATES.map(([name]) => stateId(org, name))],
    ...list(input["labelIds"]).map((id) => ["IssueLabel", id, LABELS.map((name) => labelId(org, name))] as const),
  ];
  const unknown = given.find(([, id, known]) => id !== undefined && id !== null && !known.includes(text(id)));
  if (unknown !== undefined)
    throw new InputError(`Entity not found: ${unknown[0]} - Could not find referenced ${unknown[0]}.`);
  const { priority } = input;
  if (typeof priority === "number" && PRIORITIES[priority] === undefined) {
    throw new InputError("Argument Validation Error: priority must be 0 to 4.");
  }
}

const required = (input: JsonObject, names: readonly string[], type: string): void => {
  const missing = names.find((name) => text(input[name]) === "");
  if (missing !== undefined)
    throw new GraphqlError(`Field "${type}.${missing}" of required type "String!" was not provided.`);
};

const done = (type: string, more: Tree): Tree => ({ __typename: type, success: true, lastSyncId: 1, ...more });

const mutations = (org: Org): Tree => ({
  __typename: "Mutation",
  issueCreate: (args) => {
    requireScope(org, "write", "issues:create", "admin");
    const input = object(args["input"]);
    required(input, ["teamId", "title"], "IssueCreateInput");
    checkInput(org, input);
    return done("IssuePayload", { issue: issue(org, org.issues.add({ data: pick(input, WRITABLE) })) });
  },
  issueUpdate: (args) => {
    requireScope(org, "write", "admin");
    const found = storedIssue(org, text(args["id"]));
    const input = object(args["input"]);
    checkInput(org, input);
    return done("IssuePayload", {
      issue: issue(org, org.issues.replace(found.id, { ...found.data, ...pick(input, WRITABLE) })),
    });
  },
  issueDelete: (args) => {
    requireScope(org, "write", "admin");
    org.issues.remove(storedIssue(org, text(args["id"])).id);
    return done("IssueArchivePayload", {});
  },
  commentCreate: (args) => {
    requireScope(org, "write", "comments:create", "admin");
    const input = object(args["input"]);
    required(input, ["issueId", "body"], "CommentCreateInput");
    const { id } = storedIssue(org, text(input["issueId"]));
    const data = { issueId: id, body: text(input["body"]) };
    return done("CommentPayload", { comment: commentOf(org, org.comments.add({ data })) });
  },
});

/** Refused input is HTTP 200 with errors, a query that does not fit the schema HTTP 400. */
export function graphql({ incoming, objects: stored }: RouteContext, { account, scopes }: Caller): Reply {
  const { json: body } = incoming;
  const org: Org = { account, scopes, issues: stored(issues, account.org), comments: stored(comments, account.org) };
  const request = {
    query: text(body["query"]),
    variables: object(body["variables"]),
    operation: text(body["operationName"]),
  };
  try {
    return json(200, { data: execute(request, { query: queries(org), mutation: mutations(org) }) });
  } catch (error) {
    if (error instanceof InputError)
      return json(200, { ...failure(error.message, "INPUT_ERROR", "invalid input"), data: null });
    if (error instanceof ScopeError) return json(403, failure(error.message, "FORBIDDEN", "forbidden"));
    if (error instanceof GraphqlError)
      return json(400, failure(error.message, "GRAPHQL_VALIDATION_FAILED", "graphql error"));
    throw error;
  }
}

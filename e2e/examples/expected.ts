/**
 * Reads examples/expected.json: what each example function replies, which provider calls it makes,
 * and what it changes at the providers. The file was written before the functions first ran.
 */
import { readFileSync } from "node:fs";
import { parseJson, type Json } from "../support/json.ts";

/**
 * Whose token a call carries. `user` has one of the app's own issuer, `admin` is the app's builder.
 * `schedule`: the server calls, not a client.
 */
export type Caller = "none" | "user" | "admin" | "schedule";

export interface AppUserClaims {
  readonly sub: string;
  readonly email: string;
  readonly name: string;
}

export interface FormFile {
  readonly field: string;
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/** How a function is called. */
export type Action =
  /** `base44.functions.invoke`, as a form if there is a file. */
  | { readonly kind: "invoke"; readonly data: Json; readonly file: FormFile | null }
  /** `base44.functions.fetch`. */
  | { readonly kind: "fetch"; readonly method: string; readonly path: string; readonly body: string | null }
  /** A plain HTTP client. */
  | { readonly kind: "post"; readonly body: Json }
  /** A signed event of another service (https://www.standardwebhooks.com). */
  | { readonly kind: "webhook"; readonly secret: string; readonly event: Json }
  /** Sends each part of a body after the reply to the one before. */
  | { readonly kind: "duplex"; readonly path: string; readonly parts: readonly string[] }
  /** Waits for the function's automation, on a working day at this hour (UTC). */
  | { readonly kind: "schedule"; readonly hour: number };

export interface ExpectedReply {
  readonly status: number;
  /** Each must be there. There can be others. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** A JSON body, compared as `compare.ts` does. Undefined: not compared. */
  readonly body: unknown;
  readonly text: string | null;
}

/** An object at a provider that a call creates, changes or deletes. */
export interface ExpectedChange {
  /** Vendor and collection: `slack messages`. */
  readonly place: string;
  readonly change: string;
  /** Each member must be there. There can be others. */
  readonly data: unknown;
  /** Strings that the object has, at any place. */
  readonly holds: readonly string[];
  /** The text of a file. */
  readonly content: string | null;
}

export interface ExpectedRun {
  readonly title: string;
  readonly as: Caller;
  readonly action: Action;
  readonly headers: Readonly<Record<string, string>>;
  /** null: no reply reaches a client. */
  readonly reply: ExpectedReply | null;
  /** `METHOD host/path`, in order. */
  readonly calls: readonly string[];
  readonly state: readonly ExpectedChange[];
}

export interface ExpectedFunction {
  readonly name: string;
  readonly runs: readonly ExpectedRun[];
}

export interface Expected {
  readonly user: AppUserClaims;
  readonly functions: readonly ExpectedFunction[];
}

/** @throws Error that names the place in the file which has another shape. */
export function readExpected(path: string): Expected {
  const file = parseJson(readFileSync(path, "utf8"));
  return {
    user: claimsOf(file.get("user")),
    functions: file.list("functions").map((one) => ({ name: one.text("name"), runs: one.list("runs").map(runOf) })),
  };
}

const claimsOf = (json: Json): AppUserClaims => ({
  sub: json.text("sub"),
  email: json.text("email"),
  name: json.text("name"),
});

function runOf(json: Json): ExpectedRun {
  return {
    title: json.text("title"),
    as: callerOf(json.text("as")),
    action: actionOf(json),
    headers: stringsOf(json, "headers"),
    reply: has(json, "reply") ? replyOf(json.get("reply")) : null,
    calls: textsOf(json, "calls"),
    state: json.list("state").map(changeOf),
  };
}

function callerOf(text: string): Caller {
  if (text === "none" || text === "user" || text === "admin" || text === "schedule") return text;
  throw new Error(`"as" is none, user, admin or schedule, not ${text}.`);
}

function actionOf(json: Json): Action {
  if (has(json, "invoke")) {
    const file = has(json, "file") ? fileOf(json.get("file")) : null;
    return { kind: "invoke", data: json.get("invoke"), file };
  }
  if (has(json, "fetch")) {
    const request = json.get("fetch");
    const body = has(request, "body") ? request.text("body") : null;
    return { kind: "fetch", method: request.text("method"), path: request.text("path"), body };
  }
  if (has(json, "post")) return { kind: "post", body: json.get("post") };
  if (has(json, "webhook")) {
    const sent = json.get("webhook");
    return { kind: "webhook", secret: sent.text("secret"), event: sent.get("event") };
  }
  if (has(json, "duplex")) {
    const sent = json.get("duplex");
    return { kind: "duplex", path: sent.text("path"), parts: textsOf(sent, "parts") };
  }
  if (has(json, "hour")) return { kind: "schedule", hour: numberOf(json, "hour") };
  throw new Error(`The run "${json.text("title")}" does not say how to call the function.`);
}

const fileOf = (json: Json): FormFile => ({
  field: json.text("field"),
  name: json.text("name"),
  type: json.text("type"),
  text: json.text("text"),
});

function replyOf(json: Json): ExpectedReply {
  return {
    status: numberOf(json, "status"),
    headers: stringsOf(json, "headers"),
    body: json.get("body").value,
    text: has(json, "text") ? json.text("text") : null,
  };
}

const changeOf = (json: Json): ExpectedChange => ({
  place: json.text("in"),
  change: json.text("change"),
  data: json.get("data").value,
  holds: has(json, "holds") ? textsOf(json, "holds") : [],
  content: has(json, "content") ? json.text("content") : null,
});

function numberOf(json: Json, name: string): number {
  const { value } = json.get(name);
  if (typeof value === "number") return value;
  throw new Error(`${name} is a number, not ${JSON.stringify(value)}.`);
}

const has = (json: Json, name: string): boolean => json.keys().includes(name);

function textsOf(json: Json, name: string): readonly string[] {
  return json.list(name).map(({ value }) => {
    if (typeof value === "string") return value;
    throw new Error(`${name} has ${JSON.stringify(value)}, which is not a string.`);
  });
}

function stringsOf(json: Json, name: string): Readonly<Record<string, string>> {
  if (!has(json, name)) return {};
  const found = json.get(name);
  return Object.fromEntries(found.keys().map((key) => [key, found.text(key)]));
}

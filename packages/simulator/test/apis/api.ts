/** One connected account at one API, and the comparison of its replies with the recorded ones. */
import { readFileSync } from "node:fs";
import type { ApiState, Simulator } from "../../src/index.ts";
import { read, record, type Reply } from "../application.ts";
import { appAt, type ServiceId } from "../vendors/service-app.ts";

interface Body {
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  /** As it is, with a content type in `headers`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Api {
  readonly simulator: Simulator;
  readonly token: string;
  /** @param call `POST gmail.googleapis.com/gmail/v1/…`, with the query. */
  call(call: string, body?: Body): Promise<Reply>;
  /** Returns the calls and objects of this vendor. */
  state(): ApiState;
}

interface Account {
  readonly account?: string;
  /** Replaces the scopes that the service's table requests, in the same parameter. */
  readonly scope?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Connects an account. The state begins after its consent. */
export async function apiAt(simulator: Simulator, id: ServiceId, vendor: string, options: Account = {}): Promise<Api> {
  const app = appAt(simulator, id);
  const params = app.service.params ?? {};
  const name = Object.keys(params).find((key) => key.endsWith("scope")) ?? "scope";
  const scopes = options.scope === undefined ? {} : { [name]: options.scope };
  const consent = options.account === undefined ? {} : { account: options.account };
  const { access } = await app.connect(consent, scopes);
  return {
    simulator,
    token: access,
    call: (call, body = {}) =>
      send(simulator, access, call, { ...body, headers: { ...options.headers, ...body.headers } }),
    state: () => simulator.state(vendor),
  };
}

export async function send(simulator: Simulator, token: string, call: string, body: Body): Promise<Reply> {
  const gap = call.indexOf(" ");
  const [method, url] = [call.slice(0, gap), call.slice(gap + 1)];
  const headers = new Headers({ authorization: `Bearer ${token}`, ...body.headers });
  if (body.json !== undefined) headers.set("content-type", "application/json");
  const plain = body.form === undefined ? (body.raw ?? null) : new URLSearchParams({ ...body.form });
  const content = body.json === undefined ? plain : JSON.stringify(body.json);
  return read(await fetch(`${simulator.url}/${url}`, { method, headers, body: content, redirect: "manual" }));
}

/** Returns the value at `a.b.0.c` of a reply. */
export function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((found, name) => record(found)[name], value);
}

export const textAt = (reply: Reply, path: string): string => String(at(reply.json, path));

interface Recording {
  readonly source: string;
  readonly read: string;
  readonly status: number;
  readonly body: unknown;
  /** What of it the source does not show. */
  readonly unverified?: string;
  /** Members of the recorded body that the simulator leaves out. */
  readonly left_out?: readonly string[];
}

const FOLDER = new URL("../../recorded/", import.meta.url);

export const recordingsOf = (name: string): Readonly<Record<string, Recording>> =>
  JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));

/** Returns `path: type` of every member. Elements of a list share the path `name[]`. */
export function outline(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) {
    const inner = value.flatMap((member: unknown) => outline(member, `${path}[]`));
    return [`${path}: list`, ...new Set(inner)];
  }
  if (typeof value !== "object" || value === null) return [`${path}: ${value === null ? "null" : typeof value}`];
  const members = Object.entries(value).flatMap(([name, member]) =>
    outline(member, path === "" ? name : `${path}.${name}`),
  );
  return [`${path}: object`, ...members];
}

/**
 * Returns how a reply differs from the recorded one: in its status, or in the members and their
 * types. Members that the recording says the simulator leaves out do not count.
 */
export function differences(name: string, call: string, reply: Reply): string[] {
  const recording = recordingsOf(name)[call];
  if (recording === undefined) return [`recorded/${name}.json has no ${call}`];
  const left_out = recording.left_out ?? [];
  const isLeftOut = (line: string) =>
    left_out.some((path) => line.startsWith(path) && /^[.[:]/.test(line.slice(path.length)));
  const now = new Set(outline(reply.text === "" ? null : JSON.parse(reply.text)));
  const then = new Set(outline(recording.body).filter((line) => !isLeftOut(line)));
  return [
    ...(reply.status === recording.status ? [] : [`status ${reply.status} instead of ${recording.status}`]),
    ...[...now].filter((line) => !then.has(line)).map((line) => `not recorded: ${line}`),
    ...[...then].filter((line) => !now.has(line)).map((line) => `missing: ${line}`),
  ];
}

/**
 * The lists of requests that `batchUpdate` takes, in Docs, Sheets and Slides. All are applied, or
 * none. A request that is not simulated is kept in the object as it came, where a test can see it.
 */
import { isReply } from "../../engine/reply.ts";
import type { JsonObject, Reply } from "../../engine/types.ts";
import { list, object } from "../kit/endpoints.ts";
import { badArgument } from "./common.ts";

interface Done {
  readonly data: JsonObject;
  readonly reply: JsonObject;
}

/** @param where begins the message of a refusal. */
export type Step = (data: JsonObject, given: JsonObject, where: string) => Done | Reply;

export interface Applied {
  readonly data: JsonObject;
  readonly replies: readonly JsonObject[];
}

const keep = (data: JsonObject, request: JsonObject): Done => ({
  data: { ...data, requests: [...list(data["requests"]), request] },
  reply: {},
});

/** @param steps by the name of the request. */
export function applyRequests(
  before: JsonObject,
  requests: readonly JsonObject[],
  steps: Readonly<Record<string, Step>>,
): Applied | Reply {
  const replies: JsonObject[] = [];
  let data = before;
  for (const [index, request] of requests.entries()) {
    const [name, ...more] = Object.keys(request);
    if (name === undefined || more.length > 0) return badArgument(`Invalid requests[${index}]: No request set.`);
    const step = Object.hasOwn(steps, name) ? steps[name] : undefined;
    const done = step?.(data, object(request[name]), `Invalid requests[${index}].${name}`) ?? keep(data, request);
    if (isReply(done)) return done;
    data = done.data;
    replies.push(done.reply);
  }
  return { data, replies };
}

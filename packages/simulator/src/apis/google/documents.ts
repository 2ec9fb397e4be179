/** The three calls that Docs and Slides share: create, get, batchUpdate. */
import { isReply, json } from "../../engine/reply.ts";
import type { Stored } from "../../engine/objects.ts";
import type { JsonObject, TokenRoute } from "../../engine/types.ts";
import { objects, text, type Handler } from "../kit/endpoints.ts";
import { googleEndpoints, notFound } from "./common.ts";
import { createDocument, openDocument, type DocumentKind } from "./files.ts";
import { applyRequests, type Step } from "./requests.ts";

interface DocumentApi {
  readonly type: string;
  readonly host: string;
  /** Of the collection: `/v1/documents`. */
  readonly path: string;
  readonly kind: DocumentKind;
  /** The scope of the API itself. */
  readonly scope: string;
  /** The name of the id in replies. */
  readonly id_name: string;
  readonly steps: Readonly<Record<string, Step>>;
  render(stored: Stored): JsonObject;
}

export const revisionOf = ({ id, changed_at }: Stored): string => `${id.slice(0, 8)}-${changed_at}`;

export function documentRoutes(api: DocumentApi): TokenRoute[] {
  const { kind, steps, render } = api;
  const create: Handler = (context, caller) => {
    const data = kind.blank(text(context.incoming.json["title"]) || "Untitled");
    return json(200, render(createDocument(context, caller, kind, data)));
  };
  const get: Handler = (context, caller) => {
    const open = openDocument(context, caller, kind, context.params["id"]);
    return open === null ? notFound() : json(200, render(open.found));
  };
  const batchUpdate: Handler = (context, caller) => {
    const open = openDocument(context, caller, kind, context.params["id"]);
    if (open === null) return notFound();
    const applied = applyRequests(open.found.data, objects(context.incoming.json["requests"]), steps);
    if (isReply(applied)) return applied;
    const changed = open.all.replace(open.found.id, applied.data);
    const writeControl = { requiredRevisionId: revisionOf(changed) };
    return json(200, { [api.id_name]: changed.id, replies: applied.replies, writeControl });
  };
  const write = [api.scope, "drive", "drive.file"];
  const read = [...write, `${api.scope}.readonly`, "drive.readonly"];
  return [
    ...googleEndpoints(api.type, api.host, read, { [`GET ${api.path}/:id`]: get }),
    ...googleEndpoints(api.type, api.host, write, {
      [`POST ${api.path}`]: create,
      [`POST ${api.path}/:id:batchUpdate`]: batchUpdate,
    }),
  ];
}

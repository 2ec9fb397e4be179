/**
 * The output of an app's functions: pages of records, and a live view as server-sent events
 * (WHATWG HTML §9.2). Both show the records of all nodes.
 */
import { CodedError } from "../../core/errors.ts";
import { functionNotFound } from "../../core/functions/functions.ts";
import type { AppId } from "../../core/types.ts";
import { AppParams } from "../../wire/fields.ts";
import {
  AppLogsQuery,
  AppLogsReply,
  FunctionParams,
  LogsQuery,
  LogsReply,
  LogStreamQuery,
} from "../../wire/function-logs.ts";
import { LEVELS, type FunctionLogs, type LogLevel } from "../../service/functions/logs.ts";
import { requireAppBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import type { HttpServer } from "../fastify.ts";
import { countOf, instantOf } from "../query.ts";
import { createLogStreams } from "./log-stream.ts";

/** The public command line asks for up to this. The reply has at most `function_log_page`. */
const MOST_RECORDS = 1_000;
const LOGS = "/api/apps/:app/functions-mgmt";

export function functionLogRoutes(server: HttpServer, context: HttpContext): void {
  pageRoutes(server, context);
  streamRoute(server, context);
}

function pageRoutes(server: HttpServer, context: HttpContext): void {
  const { functionLogs } = context;

  server.get(
    `${LOGS}/:name/logs`,
    { schema: { params: FunctionParams, querystring: LogsQuery, response: { 200: LogsReply } } },
    async (request, reply) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "function.logs");
      const { name } = request.params;
      await requireFunction(context, app_id, name);
      const { level, ...range } = request.query;
      const records = await functionLogs.read({
        ...rangeOf(app_id, [name], range),
        levels: level === undefined ? null : [level],
      });
      void reply.header("cache-control", "no-store");
      return records.map((record) => ({
        time: iso(record.time),
        level: levelOf(record.level),
        message: record.message,
      }));
    },
  );

  server.get(
    "/api/management/apps/:app/logs",
    { schema: { params: AppParams, querystring: AppLogsQuery, response: { 200: AppLogsReply } } },
    async (request, reply) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "function.logs");
      const { function: name, level, ...range } = request.query;
      if (name !== undefined) await requireFunction(context, app_id, name);
      const records = await functionLogs.read({
        ...rangeOf(app_id, name === undefined ? null : [name], range),
        levels: level === undefined ? null : LEVELS.slice(LEVELS.indexOf(level)),
      });
      void reply.header("cache-control", "no-store");
      return {
        records: records.map(({ time, level: stored, ...record }) => ({
          ...record,
          time: iso(time),
          level: levelOf(stored),
        })),
      };
    },
  );
}

function streamRoute(server: HttpServer, context: HttpContext): void {
  const streams = createLogStreams(context);
  server.addHook("preClose", (done) => {
    streams.close();
    done();
  });

  server.get(
    `${LOGS}/logs/stream`,
    // A reply to HEAD would read a stream that never ends.
    { schema: { params: AppParams, querystring: LogStreamQuery }, exposeHeadRoute: false },
    async (request, reply) => {
      const authorize = () => requireAppBuilder(context, request, request.params.app, "function.logs");
      const { app_id } = await authorize();
      const names = namesOf(request.query.function);
      for (const name of names ?? []) await requireFunction(context, app_id, name);
      const client = new AbortController();
      if (reply.raw.destroyed) client.abort();
      else reply.raw.once("close", () => client.abort());
      const events = streams.open(app_id, {
        tail: context.functionLogs.tail(app_id, names),
        authorize: async () => {
          await authorize();
        },
        left: client.signal,
      });
      return await reply
        .type("text/event-stream; charset=utf-8")
        .header("cache-control", "no-store")
        // Otherwise a buffering proxy would delay the events.
        .header("x-accel-buffering", "no")
        // A kept-alive connection would delay the server's shutdown.
        .header("connection", "close")
        .send(events);
    },
  );
}

/** A deleted function is known by its records. @throws CodedError `function_not_found` */
async function requireFunction({ functions, functionLogs }: HttpContext, app_id: AppId, name: string): Promise<void> {
  if (!(await functions.has(app_id, name)) && !(await functionLogs.has(app_id, name))) throw functionNotFound(name);
}

type Range = Parameters<FunctionLogs["read"]>[0];

function rangeOf(
  app_id: AppId,
  function_names: readonly string[] | null,
  query: { since?: string; until?: string; limit?: string; order?: "asc" | "desc" },
): Omit<Range, "levels"> {
  return {
    app_id,
    function_names,
    since: instantOf("since", query.since),
    until: instantOf("until", query.until),
    order: query.order ?? "desc",
    count: countOf("limit", query.limit, MOST_RECORDS),
  };
}

/** The names of a live view. Null: all functions of the app. */
function namesOf(text: string | undefined): readonly string[] | null {
  const names = (text ?? "").split(",").map((name) => name.trim());
  const given = [...new Set(names.filter((name) => name !== ""))];
  if (given.length > 100) {
    const message = "at most 100 names";
    throw new CodedError("invalid_field", { errors: [{ name: "function", message }] });
  }
  return given.length === 0 ? null : given;
}

const iso = (time: number): string => new Date(time).toISOString();
const levelOf = (stored: string): LogLevel => LEVELS.find((level) => level === stored) ?? "info";

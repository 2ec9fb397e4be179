/** The output of functions. The contract's shapes ignore unknown fields. */
import { Type } from "typebox";
import { nullable, strict, text } from "./fields.ts";

const Level = Type.Enum(["debug", "info", "warning", "error"]);
const Order = Type.Enum(["asc", "desc"]);

export const FunctionParams = Type.Object({ app: text(64), name: text(256) });
/** Times are RFC 3339, or ms since the epoch. There is one environment, so `env` has no effect. */
export const LogsQuery = Type.Object({
  since: Type.Optional(text(64)),
  until: Type.Optional(text(64)),
  level: Type.Optional(Level),
  limit: Type.Optional(text(8)),
  order: Type.Optional(Order),
  env: Type.Optional(text(64)),
});
export const LogsReply = Type.Array(Type.Object({ time: Type.String(), level: Level, message: Type.String() }));
/** `function`: names, separated by commas. */
export const LogStreamQuery = Type.Object({ function: Type.Optional(text(4_096)), env: Type.Optional(text(64)) });

/** Our own route: all functions, and what the contract's shape leaves out. */
export const AppLogsQuery = strict({
  function: Type.Optional(text(256)),
  since: Type.Optional(text(64)),
  until: Type.Optional(text(64)),
  /** The lowest level. */
  level: Type.Optional(Level),
  limit: Type.Optional(text(8)),
  order: Type.Optional(Order),
});
export const AppLogsReply = Type.Object({
  records: Type.Array(
    Type.Object({
      id: Type.String(),
      time: Type.String(),
      level: Level,
      function_name: Type.String(),
      version: nullable(Type.String()),
      request_id: nullable(Type.String()),
      message: Type.String(),
    }),
  ),
});

/**
 * Backend functions and secrets of an app, as in the contract, and our own routes for versions. The
 * server ignores unknown fields of the contract's bodies.
 */
import { Type, type Static } from "typebox";
import { CodedError } from "../core/errors.ts";
import { Instant, nullable, strict, text } from "./fields.ts";

export const FunctionParams = Type.Object({ app: text(64), name: text(512) });

/** The items of the lists are checked by the service, which stops at the first mistake. */
export const DeployBody = Type.Object({
  entry: text(4_096),
  files: Type.Array(Type.Unknown()),
  /** Read by `readAutomations`. */
  automations: Type.Optional(Type.Unknown()),
});
export const DeployedReply = Type.Object({
  status: Type.Union([Type.Literal("deployed"), Type.Literal("unchanged")]),
  version: Type.Integer(),
  notes: Type.Array(Type.String()),
});

/**
 * The public CLI requires each field except `version`, which it ignores. It writes `entry`, `files`
 * and `automations` to disk.
 */
const BackendFunction = Type.Object({
  name: Type.String(),
  deployment_id: Type.String(),
  /** The number of the live version. Null for a function of a directory. */
  version: nullable(Type.Integer()),
  entry: Type.String(),
  files: Type.Array(Type.Object({ path: Type.String(), content: Type.String() })),
  automations: Type.Array(Type.Unknown()),
});
export type BackendFunction = Static<typeof BackendFunction>;
export const BackendFunctionsReply = Type.Object({ functions: Type.Array(BackendFunction) });

export const SecretsReply = Type.Record(Type.String(), Type.String());
/**
 * Read by `checkSecrets`, which names a secret with an invalid value without printing the value.
 */
export const SecretsBody = Type.Record(Type.String(), Type.Unknown(), { maxProperties: 1_000 });

/** @throws CodedError `invalid_field`, which names the secret */
export function checkSecrets(body: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries = Object.entries(body).map(([name, value]): [string, string] => {
    if (typeof value === "string") return [name, value];
    const errors = [{ name: name.slice(0, 200), message: "must have a string as its value" }];
    throw new CodedError("invalid_field", { errors });
  });
  return Object.fromEntries(entries);
}
export const SecretQuery = Type.Object({ secret_name: text(256) });

// Our own routes.
export const VersionsReply = Type.Object({
  versions: Type.Array(
    Type.Object({
      id: Type.String(),
      number: Type.Integer(),
      is_live: Type.Boolean(),
      created_at: Instant,
      created_by: Type.String(),
      built_with: Type.String(),
    }),
  ),
});
export const RollbackBody = strict({ to: Type.Optional(nullable(Type.Integer({ minimum: 1 }))) });
export const RolledBackReply = Type.Object({ version: Type.Integer() });

/** `last_outcome`: `ok`, `running`, `missed`, `status_<number>`, or an error code. */
export const SchedulesReply = Type.Object({
  schedules: Type.Array(
    Type.Object({
      function_name: Type.String(),
      automation_name: Type.String(),
      next_run_at: nullable(Instant),
      last_run_at: nullable(Instant),
      last_outcome: nullable(Type.String()),
      runs: Type.Integer(),
      missed: Type.Integer(),
    }),
  ),
});

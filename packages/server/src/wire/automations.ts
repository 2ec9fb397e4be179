/**
 * Automations start a function on a schedule, or on an event of an entity or a connector. The
 * shapes are those of the public command line. It rejects a whole list if one automation in it has
 * another shape, so nothing else is stored.
 */
import { Type, type Static, type TObject } from "typebox";
import { Errors } from "typebox/value";
import type { FieldError } from "../core/errors.ts";
import { invalidAutomation } from "../core/functions/automation-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/types.ts";
import { nullable, text } from "./fields.ts";

/** Automations of one function. */
const MAX_AUTOMATIONS = 20;
/** The body that a scheduled run sends, as JSON. */
const MAX_ARGS_LENGTH = 65_536;
/** Depth of nested groups of conditions, and all conditions of one automation. */
const MAX_CONDITION_DEPTH = 8;
const MAX_CONDITIONS = 100;

const named = (maxLength: number) => Type.String({ minLength: 1, maxLength });

/** A name is part of a key, so it has no control characters. */
const NAME = Type.String({ minLength: 1, maxLength: 200, pattern: String.raw`^[^\p{Cc}\p{Cs}]+$` });
const Base = {
  name: NAME,
  description: Type.Optional(nullable(text(2_000))),
  function_args: Type.Optional(nullable(Type.Record(text(200), Type.Unknown(), { maxProperties: 200 }))),
  is_active: Type.Optional(Type.Boolean()),
};
const Ends = {
  ends_type: Type.Optional(Type.Enum(["never", "on", "after"])),
  ends_on_date: Type.Optional(nullable(text(64))),
  ends_after_count: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 1_000_000_000 }))),
};
/**
 * An IANA name, such as Europe/Berlin. Without one, times are UTC. The public command line drops
 * this field.
 */
const timezone = Type.Optional(nullable(named(64)));

const OneTime = Type.Object({
  ...Base,
  type: Type.Literal("scheduled"),
  schedule_mode: Type.Literal("one-time"),
  one_time_date: named(64),
  timezone,
});
const Cron = Type.Object({
  ...Base,
  type: Type.Literal("scheduled"),
  schedule_mode: Type.Literal("recurring"),
  schedule_type: Type.Literal("cron"),
  cron_expression: named(200),
  ...Ends,
  timezone,
});
const Simple = Type.Object({
  ...Base,
  type: Type.Literal("scheduled"),
  schedule_mode: Type.Literal("recurring"),
  schedule_type: Type.Literal("simple"),
  repeat_unit: Type.Enum(["minutes", "hours", "days", "weeks", "months"]),
  repeat_interval: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 1_000 }))),
  start_time: Type.Optional(nullable(text(64))),
  /** 0 is Sunday. */
  repeat_on_days: Type.Optional(nullable(Type.Array(Type.Integer({ minimum: 0, maximum: 6 }), { maxItems: 7 }))),
  repeat_on_day_of_month: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 31 }))),
  ...Ends,
  timezone,
});
const Entity = Type.Object({
  ...Base,
  type: Type.Literal("entity"),
  entity_name: named(200),
  event_types: Type.Array(Type.Enum(["create", "update", "delete"]), { minItems: 1, maxItems: 3 }),
});
const Connector = Type.Object({
  ...Base,
  type: Type.Literal("connector"),
  integration_type: Type.String({ minLength: 1, maxLength: 128, pattern: "^[A-Za-z0-9_-]+$" }),
  /** Empty for all events. */
  events: Type.Array(text(200), { maxItems: 100 }),
  resource_id: Type.Optional(nullable(text(512))),
  /** Checked by `conditionErrors`. */
  trigger_conditions: Type.Optional(Type.Unknown()),
});

export type ScheduledAutomation = Static<typeof OneTime> | Static<typeof Cron> | Static<typeof Simple>;
export type Automation = ScheduledAutomation | Static<typeof Entity> | Static<typeof Connector>;

/** Each kind, by the field that decides it. */
const KINDS = {
  "one-time": OneTime,
  cron: Cron,
  simple: Simple,
  entity: Entity,
  connector: Connector,
} as const;

/**
 * Returns the automations of a deploy, with the fields of their kind only.
 *
 * @throws CodedError `invalid_field` that names each field as a JSON pointer (RFC 6901)
 */
export function readAutomations(value: unknown): readonly Automation[] {
  if (value === undefined || value === null) return [];
  const path = "/automations";
  if (!Array.isArray(value))
    throw invalidAutomation([{ name: path, message: `must be a list of automations, not ${nounOf(value)}` }]);
  if (value.length > MAX_AUTOMATIONS)
    throw invalidAutomation([{ name: path, message: `must not have more than ${MAX_AUTOMATIONS} items` }]);
  const read = value.map((one: unknown, index) => readOne(one, `${path}/${index}`));
  const errors = read.flatMap((one) => one.errors);
  const names = read.map(({ automation }) => automation?.name);
  names.forEach((name, index) => {
    if (name !== undefined && names.indexOf(name) !== index)
      errors.push({ name: `${path}/${index}/name`, message: "is the name of an earlier automation" });
  });
  if (errors.length > 0) throw invalidAutomation(errors);
  return read.map(({ automation }) => automation).filter((automation) => automation !== null);
}

interface ReadAutomation {
  readonly automation: Automation | null;
  readonly errors: readonly FieldError[];
}

function readOne(value: unknown, path: string): ReadAutomation {
  if (!isJsonObject(value)) return refused(path, `must be an object with name and type, not ${nounOf(value)}`);
  const kind = kindOf(value);
  if (!("schema" in kind)) return refused(`${path}/${kind.field}`, kind.message);
  const own = Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(kind.schema.properties, name)));
  const errors = [...fieldErrors(kind.schema, own, path), ...sizeErrors(own, path)];
  if (errors.length > 0) return { automation: null, errors };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema of this kind has no error.
  return { automation: own as unknown as Automation, errors };
}

const refused = (name: string, message: string): ReadAutomation => ({ automation: null, errors: [{ name, message }] });

type Kind = { readonly schema: TObject } | { readonly field: string; readonly message: string };

/** Returns the schema that the deciding fields select, or the field that has no meaning. */
function kindOf({ type, schedule_mode, schedule_type }: JsonObject): Kind {
  if (type === "entity" || type === "connector") return { schema: KINDS[type] };
  if (type !== "scheduled") return { field: "type", message: "must be scheduled, entity or connector" };
  if (schedule_mode === "one-time") return { schema: KINDS[schedule_mode] };
  if (schedule_mode !== "recurring") return { field: "schedule_mode", message: "must be one-time or recurring" };
  if (schedule_type === "cron" || schedule_type === "simple") return { schema: KINDS[schedule_type] };
  return { field: "schedule_type", message: "must be cron or simple" };
}

/**
 * Returns one error for each field. Each alternative of a union reports its own, and the union
 * reports again what is wrong inside it.
 */
function fieldErrors(schema: TObject, value: JsonObject, path: string): readonly FieldError[] {
  const found = new Map<string, string>();
  for (const error of Errors(schema, value)) {
    const { keyword, instancePath, params } = error;
    const missing = keyword === "required" && "requiredProperties" in params ? params.requiredProperties : [];
    const places = missing.length > 0 ? missing.map((name) => `${instancePath}/${name}`) : [instancePath];
    const reason = missing.length > 0 ? "is required" : reasonOf(error);
    for (const place of places) if (!found.has(place)) found.set(place, reason);
  }
  const all = [...found.keys()];
  return [...found]
    .filter(([place]) => !all.some((other) => other.startsWith(`${place}/`)))
    .map(([place, message]) => ({ name: `${path}${place}`, message }));
}

function sizeErrors({ function_args, trigger_conditions }: JsonObject, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (function_args !== undefined && JSON.stringify(function_args).length > MAX_ARGS_LENGTH)
    errors.push({ name: `${path}/function_args`, message: `must not have more than ${MAX_ARGS_LENGTH} characters` });
  if (trigger_conditions === undefined || trigger_conditions === null) return errors;
  const budget = { conditions: MAX_CONDITIONS };
  return [...errors, ...groupErrors(trigger_conditions, `${path}/trigger_conditions`, MAX_CONDITION_DEPTH, budget)];
}

/** Checks `{ logic?: "and" | "or", conditions: [condition or group, ...] }`, which nests. */
function groupErrors(
  value: JsonValue,
  path: string,
  depth: number,
  budget: { conditions: number },
): readonly FieldError[] {
  if (!isJsonObject(value)) return [{ name: path, message: `must be an object with conditions, not ${nounOf(value)}` }];
  const { logic, conditions } = value;
  if (logic !== undefined && logic !== "and" && logic !== "or")
    return [{ name: `${path}/logic`, message: "must be and or or" }];
  const list = `${path}/conditions`;
  if (!Array.isArray(conditions) || conditions.length === 0)
    return [{ name: list, message: "must have at least one condition" }];
  budget.conditions -= conditions.length;
  if (depth === 0 || budget.conditions < 0) return [{ name: list, message: "has too many conditions" }];
  return conditions.flatMap((one: JsonValue, index: number) => {
    const place = `${list}/${index}`;
    return isJsonObject(one) && one["conditions"] !== undefined
      ? groupErrors(one, place, depth - 1, budget)
      : conditionErrors(one, place);
  });
}

function conditionErrors(value: JsonValue, path: string): readonly FieldError[] {
  if (!isJsonObject(value))
    return [{ name: path, message: `must be an object with field and operator, not ${nounOf(value)}` }];
  return ["field", "operator"]
    .filter((name) => typeof value[name] !== "string" || value[name] === "")
    .map((name) => ({ name: `${path}/${name}`, message: "must be a string" }));
}

const NOUNS = {
  array: "a list",
  boolean: "true or false",
  integer: "a whole number",
  null: "null",
  number: "a number",
  object: "an object",
  string: "a string",
} as const;

/** Returns the noun for a value's type, as the errors use it. */
function nounOf(value: unknown): string {
  if (value === null) return NOUNS.null;
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return NOUNS.string;
  if (typeof value === "number") return NOUNS.number;
  return Array.isArray(value) ? NOUNS.array : NOUNS.object;
}

/** What the patterns of this file accept, by the name of the field. */
const PATTERNS: Readonly<Record<string, string>> = {
  name: "must have no control characters",
  integration_type: "must have only letters, digits, _ and -",
};

/** Returns the reason of a schema error, in the same words as the other errors. */
function reasonOf(error: ReturnType<typeof Errors>[number]): string {
  const { keyword, instancePath, params, message } = error;
  if (keyword === "enum" && "allowedValues" in params) return `must be one of ${params.allowedValues.join(", ")}`;
  if (keyword === "pattern") return PATTERNS[instancePath.slice(1)] ?? message;
  if (keyword !== "type" || !("type" in params)) return message;
  const wanted = [params.type].flat().map((type) => (isNoun(type) ? NOUNS[type] : type));
  return `must be ${wanted.join(" or ")}`;
}

const isNoun = (type: string): type is keyof typeof NOUNS => Object.hasOwn(NOUNS, type);

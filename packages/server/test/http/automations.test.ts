import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { CodedError, type FieldError } from "../../src/core/errors.ts";
import { readAutomations } from "../../src/wire/automations.ts";

/** The shapes that the public command line 0.1.18 requires of a list. */
const base = {
  name: z.string().min(1),
  description: z.string().nullable().optional(),
  function_args: z.record(z.string(), z.unknown()).nullable().optional(),
  is_active: z.boolean().optional().default(true),
};
const ends = {
  ends_type: z.enum(["never", "on", "after"]).optional().default("never"),
  ends_on_date: z.string().nullable().optional(),
  ends_after_count: z.number().int().positive().nullable().optional(),
};
const recurring = { ...base, type: z.literal("scheduled"), schedule_mode: z.literal("recurring") };
const condition = z.object({
  field: z.string().min(1),
  operator: z.string().min(1),
  value: z.unknown().nullable().optional(),
});
const group: z.ZodType = z.lazy(() =>
  z.object({ logic: z.enum(["and", "or"]).optional(), conditions: z.array(z.union([condition, group])).min(1) }),
);
const PUBLIC = z.union([
  z.object({
    ...base,
    type: z.literal("scheduled"),
    schedule_mode: z.literal("one-time"),
    one_time_date: z.string().min(1),
  }),
  z.object({ ...recurring, schedule_type: z.literal("cron"), cron_expression: z.string().min(1), ...ends }),
  z.object({
    ...recurring,
    schedule_type: z.literal("simple"),
    repeat_unit: z.enum(["minutes", "hours", "days", "weeks", "months"]),
    repeat_interval: z.number().int().positive().nullable().optional(),
    start_time: z.string().nullable().optional(),
    repeat_on_days: z.array(z.number().int().min(0).max(6)).nullable().optional(),
    repeat_on_day_of_month: z.number().int().min(1).max(31).nullable().optional(),
    ...ends,
  }),
  z.object({
    ...base,
    type: z.literal("entity"),
    entity_name: z.string().min(1),
    event_types: z.array(z.enum(["create", "update", "delete"])).min(1),
  }),
  z.object({
    ...base,
    type: z.literal("connector"),
    integration_type: z
      .string()
      .min(1)
      .regex(/^[a-z0-9_-]+$/i),
    events: z.array(z.string()),
    resource_id: z.string().nullable().optional(),
    trigger_conditions: group.nullable().optional(),
  }),
]);

const ONE_TIME = {
  name: "launch",
  type: "scheduled",
  schedule_mode: "one-time",
  one_time_date: "2026-03-01T09:00:00Z",
};
const CRON = {
  name: "report",
  type: "scheduled",
  schedule_mode: "recurring",
  schedule_type: "cron",
  cron_expression: "0 9 * * *",
  ends_type: "never",
};
const SIMPLE = {
  name: "cleanup",
  type: "scheduled",
  schedule_mode: "recurring",
  schedule_type: "simple",
  repeat_unit: "weeks",
  repeat_interval: 1,
  start_time: "02:00",
  repeat_on_days: [1],
  repeat_on_day_of_month: null,
  ends_type: "after",
  ends_after_count: 10,
};
const ENTITY = { name: "order", type: "entity", entity_name: "Order", event_types: ["create", "update"] };
const CONNECTOR = {
  name: "mail",
  type: "connector",
  integration_type: "gmail",
  events: [],
  resource_id: null,
  trigger_conditions: {
    logic: "and",
    conditions: [
      { field: "subject", operator: "contains", value: "invoice" },
      { logic: "or", conditions: [{ field: "from", operator: "exists" }] },
    ],
  },
};
const ALL = [ONE_TIME, CRON, SIMPLE, ENTITY, CONNECTOR];

function errorsOf(value: unknown): readonly FieldError[] {
  try {
    readAutomations(value);
    return [];
  } catch (error) {
    if (error instanceof CodedError && error.code === "invalid_field") return error.options.errors ?? [];
    throw error;
  }
}

describe("automations of a deploy", () => {
  it("accepts every kind of the public command line, unchanged", () => {
    const sent = ALL.map((one) => ({ description: "Why", function_args: { a: [1, { b: null }] }, ...one }));
    expect(readAutomations(sent)).toEqual(sent);
    expect(readAutomations(undefined)).toEqual([]);
    expect(readAutomations([])).toEqual([]);
  });

  it("drops a field that the kind does not have", () => {
    expect(readAutomations([{ ...ENTITY, cron_expression: "* * * * *", extra: 1 }])).toEqual([ENTITY]);
  });

  it.each<[string, unknown, string[]]>([
    ["no array", { 0: CRON }, ["/automations"]],
    ["a text in the list", ["daily"], ["/automations/0"]],
    ["an unknown type", [CRON, { ...ENTITY, type: "lunar" }], ["/automations/1/type"]],
    ["no type", [{ name: "a" }], ["/automations/0/type"]],
    ["an unknown mode", [{ ...CRON, schedule_mode: "hourly" }], ["/automations/0/schedule_mode"]],
    ["an unknown kind of schedule", [{ ...CRON, schedule_type: "rrule" }], ["/automations/0/schedule_type"]],
    ["no name", [{ ...CRON, name: undefined }], ["/automations/0/name"]],
    ["an empty name", [{ ...CRON, name: "" }], ["/automations/0/name"]],
    ["a name with a NUL", [{ ...CRON, name: "a\u0000b" }], ["/automations/0/name"]],
    ["the same name twice", [CRON, { ...ENTITY, name: "report" }], ["/automations/1/name"]],
    ["no cron expression", [{ ...CRON, cron_expression: undefined }], ["/automations/0/cron_expression"]],
    ["a cron expression that is a number", [{ ...CRON, cron_expression: 5 }], ["/automations/0/cron_expression"]],
    ["an unknown unit", [{ ...SIMPLE, repeat_unit: "years" }], ["/automations/0/repeat_unit"]],
    ["an interval of 0", [{ ...SIMPLE, repeat_interval: 0 }], ["/automations/0/repeat_interval"]],
    ["a weekday of 7", [{ ...SIMPLE, repeat_on_days: [1, 7] }], ["/automations/0/repeat_on_days/1"]],
    ["a day of month of 32", [{ ...SIMPLE, repeat_on_day_of_month: 32 }], ["/automations/0/repeat_on_day_of_month"]],
    ["an unknown end", [{ ...CRON, ends_type: "soon" }], ["/automations/0/ends_type"]],
    ["no event", [{ ...ENTITY, event_types: [] }], ["/automations/0/event_types"]],
    ["an unknown event", [{ ...ENTITY, event_types: ["read"] }], ["/automations/0/event_types/0"]],
    ["a service with a slash", [{ ...CONNECTOR, integration_type: "a/b" }], ["/automations/0/integration_type"]],
    ["events that are a text", [{ ...CONNECTOR, events: "all" }], ["/automations/0/events"]],
    ["arguments that are a list", [{ ...CRON, function_args: [1] }], ["/automations/0/function_args"]],
    ["arguments of 100 KB", [{ ...CRON, function_args: { a: "x".repeat(1e5) } }], ["/automations/0/function_args"]],
    ["a switch that is a text", [{ ...CRON, is_active: "yes" }], ["/automations/0/is_active"]],
    [
      "a condition without a field",
      [{ ...CONNECTOR, trigger_conditions: { conditions: [{ operator: "equals" }] } }],
      ["/automations/0/trigger_conditions/conditions/0/field"],
    ],
    [
      "an unknown logic",
      [{ ...CONNECTOR, trigger_conditions: { logic: "xor", conditions: [{ field: "a", operator: "b" }] } }],
      ["/automations/0/trigger_conditions/logic"],
    ],
    [
      "two fields at once",
      [{ ...SIMPLE, repeat_unit: "years", start_time: 9 }],
      ["/automations/0/repeat_unit", "/automations/0/start_time"],
    ],
    ["21 automations", Array.from({ length: 21 }, (_, index) => ({ ...CRON, name: `a${index}` })), ["/automations"]],
  ])("names the field of %s", (_name, sent, fields) => {
    expect(
      errorsOf(sent)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(fields.toSorted());
  });

  it.each<[string, unknown, string]>([
    ["a text", "daily", "/automations must be a list of automations, not a string"],
    ["an object", CRON, "/automations must be a list of automations, not an object"],
    ["a text in the list", ["daily"], "/automations/0 must be an object with name and type, not a string"],
    ["null in the list", [CRON, null], "/automations/1 must be an object with name and type, not null"],
    ["a list in the list", [[CRON]], "/automations/0 must be an object with name and type, not a list"],
    ["a name that is a number", [{ ...CRON, name: 7 }], "/automations/0/name must be a string"],
    ["a name with a NUL", [{ ...CRON, name: "a\u0000" }], "/automations/0/name must have no control characters"],
    ["a switch that is a text", [{ ...CRON, is_active: "yes" }], "/automations/0/is_active must be true or false"],
    ["arguments that are a text", [{ ...CRON, function_args: "x" }], "/automations/0/function_args must be an object"],
    ["events that are a text", [{ ...CONNECTOR, events: "all" }], "/automations/0/events must be a list"],
    [
      "half an interval",
      [{ ...SIMPLE, repeat_interval: 0.5 }],
      "/automations/0/repeat_interval must be a whole number",
    ],
    [
      "an unknown event",
      [{ ...ENTITY, event_types: ["read"] }],
      "/automations/0/event_types/0 must be one of create, update, delete",
    ],
    [
      "a service with a slash",
      [{ ...CONNECTOR, integration_type: "a/b" }],
      "/automations/0/integration_type must have only letters, digits, _ and -",
    ],
    [
      "conditions that are a list",
      [{ ...CONNECTOR, trigger_conditions: [] }],
      "/automations/0/trigger_conditions must be an object with conditions, not a list",
    ],
    [
      "a condition that is a text",
      [{ ...CONNECTOR, trigger_conditions: { conditions: ["x"] } }],
      "/automations/0/trigger_conditions/conditions/0 must be an object with field and operator, not a string",
    ],
  ])("says what is expected in place of %s", (_name, sent, message) => {
    expect(() => readAutomations(sent)).toThrow(`An automation has an invalid value: ${message}.`);
  });

  it("refuses conditions that are nested too deeply", () => {
    let conditions: unknown = { field: "a", operator: "b" };
    for (let depth = 0; depth < 2_000; depth += 1) conditions = { conditions: [conditions] };
    expect(errorsOf([{ ...CONNECTOR, trigger_conditions: conditions }])).toHaveLength(1);
  });

  it("accepts nothing that the public command line refuses in a list", () => {
    const values = fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.string(), fc.array(fc.string()));
    const fields = [...new Set(ALL.flatMap((one) => Object.keys(one)))];
    let accepted = 0;
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.constantFrom(...fields), fc.option(values), (one, field, value) => {
        const sent = { ...one, [field]: value ?? undefined };
        if (errorsOf([sent]).length > 0) return;
        accepted += 1;
        expect(PUBLIC.safeParse(JSON.parse(JSON.stringify(readAutomations([sent])[0]))).success).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

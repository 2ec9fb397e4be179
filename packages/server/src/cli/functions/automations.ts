/** The automations of listed functions, as a table: when each runs, or why it does not. */
import { isJsonObject } from "../../core/types.ts";
import { day, table } from "../terminal/output.ts";
import type { ListedFunction, ListedSchedule } from "./api.ts";

/** Returns an empty text if there are no automations. */
export function automationTable(functions: readonly ListedFunction[], schedules: readonly ListedSchedule[]): string {
  const rows = functions.flatMap(({ name, automations }) =>
    automations.filter(isJsonObject).map((automation) => {
      const automation_name = typeof automation["name"] === "string" ? automation["name"] : "";
      const schedule = schedules.find((one) => one.function_name === name && one.automation_name === automation_name);
      return [name, automation_name, ...stateOf(automation["type"], schedule)];
    }),
  );
  return table(["function", "automation", "next run (UTC)", "last run", "outcome", "missed"], rows);
}

function stateOf(type: unknown, schedule: ListedSchedule | undefined): readonly string[] {
  // Those of a directory are not in the database.
  if (schedule === undefined) return ["-", "-", type === "scheduled" ? "runs when deployed" : "stored only", "-"];
  const { next_run_at, last_run_at, last_outcome, missed } = schedule;
  return [day(next_run_at), day(last_run_at), last_outcome ?? "-", String(missed)];
}

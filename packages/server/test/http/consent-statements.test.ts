/**
 * Counts the SQL statements of one consent. On PostgreSQL each of them is a round trip, and a
 * builder waits for all of them.
 */
import { approveConsent } from "@holdfast/simulator";
import Database from "better-sqlite3";
import { expect, it, onTestFinished, vi } from "vitest";
import { authorizationUrlOf, fieldsOf } from "../support/browser.ts";
import type { Reply } from "../support/http.ts";
import { startTestServer } from "../support/server.ts";

const MOST_STATEMENTS = 45;

it("costs at most 45 SQL statements, from the confirm page to the result page", async () => {
  const counter = countStatements();
  const holdfast = await startTestServer();
  await holdfast.setClient("googlecalendar");
  const builder = await holdfast.signedIn();
  const initiated = await holdfast.initiate("googlecalendar");
  const link = String(initiated.json["redirect_url"]);
  await holdfast.installation.audit.flush();

  const steps = new Map<string, number>();
  const step = async (name: string, open: () => Promise<Reply>): Promise<Reply> => {
    counter.count = 0;
    const reply = await open();
    steps.set(name, counter.count);
    return reply;
  };
  const confirm = await step("confirm", () => builder.get(link));
  const started = await step("POST", () => builder.post(link, fieldsOf(confirm.text)));
  const go = await step("go", () => builder.get(String(started.headers.get("location"))));
  const callback = await approveConsent(String(authorizationUrlOf(go.text)), {});
  const returned = await step("callback", () => builder.get(callback));
  const result = await step("result", () => builder.get(String(returned.headers.get("location"))));
  expect(result.text).toContain("is connected");

  const sum = [...steps.values()].reduce((total, count) => total + count, 0);
  const parts = [...steps].map(([name, count]) => `${name} ${count}`).join(", ");
  process.stdout.write(`SQL statements of one consent: ${sum} (${parts})\n`);
  expect(sum).toBeLessThanOrEqual(MOST_STATEMENTS);
});

/** Statements that begin and end transactions are not queries. */
const CONTROL = /^(?:begin|commit|rollback|savepoint|release)\b/;

function countStatements(): { count: number } {
  const counter = { count: 0 };
  const { prepare } = Database.prototype;
  const spy = vi.spyOn(Database.prototype, "prepare").mockImplementation(function prepareCounted(
    this: Database.Database,
    sql: string,
  ) {
    const statement = prepare.call(this, sql);
    if (CONTROL.test(sql)) return statement;
    for (const method of ["all", "run", "get"] as const) {
      const original = statement[method];
      const value = (...parameters: unknown[]): unknown => {
        counter.count += 1;
        return Reflect.apply(original, statement, parameters);
      };
      Object.defineProperty(statement, method, { value });
    }
    return statement;
  });
  onTestFinished(() => spy.mockRestore());
  return counter;
}

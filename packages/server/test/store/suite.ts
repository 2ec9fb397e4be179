/**
 * The claims of the store, one suite for each engine. An engine calls `describeStore` with a
 * function that opens two handles on one empty database and can move the database's clock.
 */
import { expect } from "vitest";
import { describe, it } from "vitest";
import type { Instant } from "../../src/core/types.ts";
import { run, type Transaction } from "../../src/store/operation.ts";
import type { Store } from "../../src/store/store.ts";
import { describeAppUsers } from "./suite-app-users.ts";
import { describeBuilders } from "./suite-builders.ts";
import { describeCredentials } from "./suite-credentials.ts";
import { describeDevice } from "./suite-device.ts";
import { describeFlows } from "./suite-flows.ts";
import { describeFunctionLogs, describeSchedules } from "./suite-function-runs.ts";
import { describeFunctions } from "./suite-functions.ts";
import { describeGovernance } from "./suite-governance.ts";
import { describeConnections } from "./suite-connections.ts";
import { describeRows } from "./suite-rows.ts";
import { describeDueConnections } from "./suite-due.ts";
import { describeRefreshProtocol } from "./suite-refresh.ts";
import { describeScheduler } from "./suite-scheduler.ts";
import { describeSystem } from "./suite-system.ts";

export interface OpenStore {
  readonly store: Store;
  /** A second handle on the same database, as in another process. */
  readonly other: Store;
  /** The database's clock. */
  now(): Instant;
  advance(ms: number): Promise<void>;
}

export type OpenStores = () => Promise<OpenStore>;

export function describeStore({ engine }: { engine: string }, open: OpenStores): void {
  describe(`store on ${engine}`, () => {
    describeRows(open);
    describeConnections(open);
    describeRefreshProtocol(open);
    describeDueConnections(open);
    describeFlows(open);
    describeFunctions(open);
    describeAppUsers(open);
    describeFunctionLogs(open);
    describeSchedules(open);
    describeScheduler(open);
    describeGovernance(open);
    describeCredentials(open);
    describeBuilders(open);
    describeSystem(open);
    describeDevice(open);
    describeTransactions(open);
  });
}

function describeTransactions(open: OpenStores): void {
  describe("transactions", () => {
    it("stores all of a transaction or nothing", async () => {
      const { store } = await open();
      const failing = store.transaction(async (tx) => {
        await tx.db.insertInto("settings").values({ name: "a", value: "1" }).execute();
        await tx.db.insertInto("settings").values({ name: "b", value: "2" }).execute();
        throw new Error("changed its mind");
      });
      await expect(failing).rejects.toThrow("changed its mind");
      expect([await store.getSetting("a"), await store.getSetting("b")]).toEqual([null, null]);
    });

    it("stores the neighbors of a failing operation", async () => {
      const { store } = await open();
      const results = await Promise.allSettled(
        Array.from({ length: 30 }, (_, index) =>
          store.transaction(async (tx) => {
            await tx.db
              .insertInto("settings")
              .values({ name: `n${index}`, value: "x" })
              .execute();
            if (index % 3 === 0) throw new Error("this one");
          }),
        ),
      );
      expect(results.filter(({ status }) => status === "rejected")).toHaveLength(10);
      expect([await store.getSetting("n0"), await store.getSetting("n1"), await store.getSetting("n2")]).toEqual([
        null,
        "x",
        "x",
      ]);
    });

    it("refuses a query after its operation ended", async () => {
      const { store } = await open();
      const write = ({ db }: Transaction, name: string) => run(db.insertInto("settings").values({ name, value: "x" }));
      const kept = await store.transaction(async (tx) => {
        await write(tx, "within");
        return tx;
      });
      await expect(write(kept, "after")).rejects.toThrow("A store operation");
      expect([await store.getSetting("within"), await store.getSetting("after")]).toEqual(["x", null]);
    });

    it("shows every acknowledged write to the other handle at once", async () => {
      const { store, other } = await open();
      for (const value of ["1", "2", "3"]) {
        await store.putSetting("seen", value);
        expect(await other.getSetting("seen")).toBe(value);
      }
    });

    it("passes an operation's errors through unchanged", async () => {
      const { store } = await open();
      const own = new RangeError("mine");
      const failing = store.transaction(() => {
        throw own;
      });
      await expect(failing).rejects.toBe(own);
    });
  });
}

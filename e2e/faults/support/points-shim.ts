/**
 * Replaces `service/refresh/refresh.ts` in a server under test: the same engine, with a point
 * before and after each call that it makes (`store.claimRefresh:before`, `oauth.refresh:send`,
 * `spill.append:after`, ...).
 *
 * Points count from 1 within a refresh, from the start of the plan. Reads of the sweeper do not
 * count. The plan comes from $FAULT_FILE, which can change while the process runs. $FAULT_AT or
 * $FAULT_POINT set a plan from the start, including recovery. `$FAULT_FILE.log` records each passed
 * point.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { appendFileSync, readFileSync } from "node:fs";
import { CodedError } from "../../../packages/server/src/core/errors.ts";
import {
  createRefresher as createEngine,
  type Refresher,
} from "../../../packages/server/src/service/refresh/refresh.ts";
import { parsePlan, type Plan } from "./points-plan.ts";

export type * from "../../../packages/server/src/service/refresh/refresh.ts";

const FILE = process.env["FAULT_FILE"] ?? "";
const FROM_START = planOfEnvironment();
const inRefresh = new AsyncLocalStorage<true>();
// Proves to the test that the process runs with points.
if (FILE !== "") appendFileSync(`${FILE}.log`, "loaded\n");
let armed = "";
let count = 0;
let fired = false;

export function createRefresher(deps: Parameters<typeof createEngine>[0]): Refresher {
  const engine = createEngine({
    ...deps,
    store: withPoints("store", deps.store, (name) => !["onChange", "close"].includes(name)),
    vault: withPoints("vault", deps.vault, (name) => ["prepare", "open", "seal"].includes(name)),
    clients: withPoints("clients", deps.clients, (name) => name === "open"),
    spill: withPoints("spill", deps.spill, (name) => ["append", "committed", "pending", "repairable"].includes(name)),
    oauth: withPoints(
      "oauth",
      {
        ...deps.oauth,
        refresh: (call) =>
          deps.oauth.refresh({
            ...call,
            onSend: () => reach("oauth.refresh:send") === null && call.onSend?.() !== false,
          }),
      },
      (name) => name === "refresh",
    ),
  });
  return {
    ...engine,
    refresh: (...call) => inRefresh.run(true, () => engine.refresh(...call)),
    recover: () => (FROM_START === null ? engine.recover() : inRefresh.run(true, () => engine.recover())),
  };
}

function withPoints<T extends object>(part: string, target: T, isPoint: (name: string) => boolean): T {
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key, object);
      if (typeof value !== "function" || typeof key !== "string" || !isPoint(key)) return value;
      return (...rest: unknown[]) => around(`${part}.${key}`, () => Reflect.apply(value, object, rest));
    },
  });
}

async function around(name: string, call: () => unknown): Promise<unknown> {
  throwIf(reach(`${name}:before`));
  const value = await call();
  throwIf(reach(`${name}:after`));
  return value;
}

function throwIf(error: Error | null): void {
  if (error !== null) throw error;
}

/** Passes a point and injects its fault. Returns the error with which the call fails, or null. */
function reach(name: string): Error | null {
  const plan = FROM_START ?? currentPlan();
  if (plan === null || inRefresh.getStore() !== true) return null;
  count += 1;
  const hit = plan.point === name || plan.at === count;
  const fires = hit && (!fired || plan.action === "throw_always");
  if (FILE !== "") appendFileSync(`${FILE}.log`, `${plan.id} ${count} ${name}${fires ? " fired" : ""}\n`);
  if (!fires) return null;
  fired = true;
  if (plan.action === "kill") process.kill(process.pid, "SIGKILL");
  if (plan.action === "stop") process.kill(process.pid, "SIGSTOP");
  if (!plan.action.startsWith("throw")) return null;
  return name.startsWith("store.") ? new CodedError("database_unavailable") : new Error(`Injected fault at ${name}.`);
}

function currentPlan(): Plan | null {
  const text = readOr(FILE, "");
  if (text !== armed) [armed, count, fired] = [text, 0, false];
  return parsePlan(text);
}

function readOr(path: string, fallback: string): string {
  try {
    return path === "" ? fallback : readFileSync(path, "utf8");
  } catch {
    return fallback;
  }
}

function planOfEnvironment(): Plan | null {
  const { FAULT_AT, FAULT_POINT, FAULT_ACTION = "kill" } = process.env;
  if (FAULT_AT === undefined && FAULT_POINT === undefined) return null;
  return parsePlan(
    JSON.stringify({ id: "start", at: Number(FAULT_AT ?? 0), point: FAULT_POINT ?? "", action: FAULT_ACTION }),
  );
}

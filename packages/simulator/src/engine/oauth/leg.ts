/**
 * One leg of the protocol, code exchange or refresh, with its faults. `before` faults replace the
 * processing, `after` faults change its reply. The token endpoint runs in it, and so do vendors'
 * own token renewal calls.
 */
import type { Call } from "../call.ts";
import { AFTER, BEFORE, isKey, type FaultContext } from "./faults.ts";
import type { Leg, Modes } from "../modes.ts";
import type { Reply } from "../types.ts";
import { sha256 } from "../values.ts";

export interface LegCall extends Call {
  readonly client: { readonly client_id: string; readonly client_secret: string };
  readonly modes: Modes;
  readonly leg: Leg;
}

/** @param presented the code, refresh token or other credential that requests new tokens. */
export async function withFaults(call: LegCall, presented: string, process: () => Reply): Promise<Reply> {
  const { event, client, leg } = call;
  const due = call.world.takeDue(call.modes, leg, event.grant_id ?? sha256(presented));
  const context = { call, presented, client_secret: client.client_secret, grant_id: event.grant_id };
  let reply = await before(context, due);
  if (reply === null) reply = process();
  for (const mode of due) {
    if (!isKey(AFTER, mode.name)) continue;
    event.faults.push(mode.text);
    // In order: `slow+drop-after` first waits, then hangs up.
    reply = await AFTER[mode.name]({ ...context, mode }, reply);
  }
  return reply;
}

async function before(context: Omit<FaultContext, "mode">, due: Modes["all"]): Promise<Reply | null> {
  const { event } = context.call;
  for (const mode of due) {
    if (!isKey(BEFORE, mode.name)) continue;
    event.faults.push(mode.text);
    // In order: `stall+500` first waits, then fails.
    const reply = await BEFORE[mode.name]({ ...context, mode });
    if (reply === null) continue;
    if (event.outcome === "pending") event.outcome = "fault";
    return reply;
  }
  return null;
}

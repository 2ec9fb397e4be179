/**
 * One leg of the protocol, code exchange or refresh, with the faults around it: `before` in place of processing, `after`
 * on its answer. The token endpoint runs in it, and so do the vendors' own ways of renewing a token.
 */
import type { Call } from "./call.ts";
import { AFTER, BEFORE, isKey, type FaultContext } from "./faults.ts";
import type { Leg, Modes } from "./modes.ts";
import type { Answer } from "./types.ts";
import { sha256 } from "./values.ts";

export interface LegCall extends Call {
  readonly client: { readonly client_id: string; readonly client_secret: string };
  readonly modes: Modes;
  readonly leg: Leg;
}

/** @param presented the code, refresh token or whatever else the caller asks for new tokens with. */
export async function withFaults(call: LegCall, presented: string, process: () => Answer): Promise<Answer> {
  const { event, client, leg } = call;
  const due = call.world.due(call.modes, leg, event.grant_id ?? sha256(presented));
  const context = { call, presented, client_secret: client.client_secret, grant_id: event.grant_id };
  let answer = await before(context, due);
  if (answer === null) answer = process();
  for (const mode of due) {
    if (!isKey(AFTER, mode.name)) continue;
    event.faults.push(mode.text);
    // One after the other: `slow+drop-after` first waits, then hangs up.
    answer = await AFTER[mode.name]({ ...context, mode }, answer);
  }
  return answer;
}

async function before(context: Omit<FaultContext, "mode">, due: Modes["all"]): Promise<Answer | null> {
  const { event } = context.call;
  for (const mode of due) {
    if (!isKey(BEFORE, mode.name)) continue;
    event.faults.push(mode.text);
    // One after the other: `stall+500` first waits, then fails.
    const answer = await BEFORE[mode.name]({ ...context, mode });
    if (answer === null) continue;
    if (event.outcome === "pending") event.outcome = "fault";
    return answer;
  }
  return null;
}

/** One request on its way through the engine, and the ways of refusing it that all endpoints share. */
import type { LedgerRequest } from "./ledger.ts";
import { json } from "./answer.ts";
import type { Answer, Incoming, JsonObject, Refusal, Vendor } from "./types.ts";
import type { World } from "./world.ts";

export interface Call {
  readonly world: World;
  readonly vendor: Vendor;
  readonly incoming: Incoming;
  readonly params: Readonly<Record<string, string>>;
  readonly event: LedgerRequest;
  /** Where browser and application reach the simulator: `http://127.0.0.1:PORT`, as the Host header says. */
  readonly origin: string;
  /** Aborts when the caller hangs up or the simulator closes. */
  readonly gone: AbortSignal;
  /** Run after the answer has left or the caller has gone. */
  readonly afterwards: (() => void)[];
}

/** Whether what was given out at the one host is known at the other. */
export const sameRealm = ({ realm }: Vendor, one: string, other: string): boolean =>
  realm === undefined || realm(one) === realm(other);

export function render(call: Call, status: number, body: JsonObject): Answer {
  const { token } = call.vendor;
  return token.render?.(call.incoming, status, body) ?? json(status, body);
}

/** The vendor's own words for `why`; the ledger gets the plain one. */
export function refuse(call: Call, why: Refusal): Answer {
  call.event.outcome = why;
  const { errors, errorBody } = call.vendor.token;
  return render(call, errors[why].status, errorBody(errors[why]));
}

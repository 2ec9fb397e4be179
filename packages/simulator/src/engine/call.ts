/** One request on its way through the engine, and the refusals that all endpoints share. */
import type { LedgerRequest } from "./ledger.ts";
import { json } from "./reply.ts";
import type { Incoming, JsonObject, Refusal, Reply, Vendor } from "./types.ts";
import type { World } from "./world.ts";

export interface Call {
  readonly world: World;
  readonly vendor: Vendor;
  readonly incoming: Incoming;
  readonly params: Readonly<Record<string, string>>;
  readonly event: LedgerRequest;
  /**
   * The origin at which browser and application reach the simulator: `http://127.0.0.1:PORT`, from
   * the Host header.
   */
  readonly origin: string;
  /** Aborts when the caller hangs up or the simulator closes. */
  readonly disconnected: AbortSignal;
  /** Runs after the reply was sent or the caller hung up. */
  readonly cleanups: (() => void)[];
}

/** Reports whether a code or token issued at one host is known at the other. */
export const sameRealm = ({ realm }: Vendor, one: string, other: string): boolean =>
  realm === undefined || realm(one) === realm(other);

export function render(call: Call, status: number, body: JsonObject): Reply {
  const { token } = call.vendor;
  return token.render?.(call.incoming, status, body) ?? json(status, body);
}

/** Returns the vendor's own wording of `why`. The ledger records the plain name. */
export function refuse(call: Call, why: Refusal): Reply {
  call.event.outcome = why;
  const { errors, errorBody } = call.vendor.token;
  return render(call, errors[why].status, errorBody(errors[why]));
}

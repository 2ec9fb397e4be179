/** The host uids of apps: one each, from a range that the operator configures. */
import { CodedError } from "../../core/errors.ts";
import type { UidRange } from "../../core/functions/function-settings.ts";

export interface Uids {
  /** Returns the owner's uid and counts one more process of it. @throws CodedError `overloaded` */
  take(owner: string): number;
  release(owner: string): void;
}

interface Taken {
  readonly uid: number;
  processes: number;
}

/**
 * No file belongs to these uids, so assignments need not survive this server. An app keeps its uid
 * until the range is used up. Then the app that has been idle longest loses its uid to the next
 * app.
 */
export function createUids({ first, last }: UidRange): Uids {
  const taken = new Map<string, Taken>();
  return {
    take: (owner) => {
      const known = taken.get(owner) ?? { uid: freeUid(taken, first, last), processes: 0 };
      known.processes += 1;
      taken.delete(owner);
      taken.set(owner, known);
      return known.uid;
    },
    release: (owner) => {
      const known = taken.get(owner);
      if (known !== undefined) known.processes -= 1;
    },
  };
}

function freeUid(taken: Map<string, Taken>, first: number, last: number): number {
  if (taken.size <= last - first) return first + taken.size;
  const idle = [...taken].find(([, { processes }]) => processes === 0);
  if (idle === undefined) {
    const message = "More apps run functions at once than there are uids. Widen HOLDFAST_FUNCTIONS_UIDS.";
    throw new CodedError("overloaded", { message, retry_after_s: 1 });
  }
  taken.delete(idle[0]);
  return idle[1].uid;
}

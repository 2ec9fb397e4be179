/**
 * kill -9 at each step of a refresh, for each class of provider behavior, beside a second node. A
 * table has the expected outcomes. The provider's ledger and the outbox decide.
 */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { FULL } from "./support/cluster.ts";
import {
  LEASE_STRICT_MS,
  openLanes,
  RECOVERED_WITHIN_MS,
  inject,
  type Lane,
  type Lanes,
  type Moment,
} from "./support/cluster-lanes.ts";
import { CLASSES, reconnectEvents, read, settledOutcome, type Outcome, type Rotation } from "./support/outcome.ts";

/** Rounds per cell. */
const ROUNDS = FULL ? 7 : 1;
const LANES = FULL ? 3 : 1;

interface Cell {
  /** Refresh requests that the provider sees in total. Both bounds are inclusive. */
  readonly requests: readonly [least: number, most: number];
  /** Durable intents. */
  readonly attempts: readonly [least: number, most: number];
  readonly status: "active" | "expired";
  readonly reason: "refresh_outcome_unknown" | null;
  /** Events that ask the user to reconnect. */
  readonly reconnects: 0 | 1;
}

const saved = (requests: Cell["requests"], attempts: Cell["attempts"]): Cell => ({
  requests,
  attempts,
  status: "active",
  reason: null,
  reconnects: 0,
});
/** The only response died with its process. Only one more request can find that out. */
const LOST: Cell = {
  requests: [2, 2],
  attempts: [2, 2],
  status: "expired",
  reason: "refresh_outcome_unknown",
  reconnects: 1,
};

interface Row {
  readonly about: string;
  /** The rounds take turns. */
  readonly moments: readonly Moment[];
  /** Whether the dead process restarts with its disk. */
  readonly restarts: boolean;
  readonly cells: Readonly<Record<Rotation, Cell>>;
}

const allClasses = (cell: Cell): Row["cells"] => ({ none: cell, grace: cell, strict: cell });
const unlessStrict = (cell: Cell): Row["cells"] => ({ none: cell, grace: cell, strict: LOST });

const TABLE: Readonly<Record<string, Row>> = {
  F4: {
    about: "before the claim commits: nothing was sent, and the next reader refreshes",
    moments: [{ point: "store.claimRefresh:before" }],
    restarts: false,
    cells: allClasses(saved([1, 1], [1, 1])),
  },
  F5: {
    about: "after the claim, before a byte is sent: the other node sends once",
    moments: [
      { point: "store.claimRefresh:after" },
      { point: "oauth.refresh:before" },
      { point: "oauth.refresh:send" },
    ],
    restarts: false,
    cells: allClasses(saved([1, 1], [2, 2])),
  },
  F6: {
    about: "after the request was written, if the provider never processes it: sent again, and active",
    moments: [{ provider: "arrived" }],
    restarts: false,
    cells: allClasses(saved([2, 2], [2, 2])),
  },
  F7: {
    about: "after the provider processed it, before its response is read: lost if refresh tokens are single-use",
    moments: [{ provider: "processed" }],
    restarts: false,
    cells: unlessStrict(saved([2, 2], [2, 2])),
  },
  F8: {
    about: "with the response in memory, before it is on the disk: lost if refresh tokens are single-use",
    moments: [{ point: "oauth.refresh:after" }, { point: "spill.append:before" }],
    restarts: false,
    cells: unlessStrict(saved([2, 2], [2, 2])),
  },
  F9: {
    about:
      "with the response on the disk, before it is in the database: the restart recovers it, nothing is sent twice",
    moments: [{ point: "spill.append:after" }],
    restarts: true,
    // The other node need not wait for the restart if sending twice does no harm.
    cells: { ...allClasses(saved([1, 2], [1, 2])), strict: saved([1, 1], [1, 1]) },
  },
  F10: {
    about: "after the commit, before the reader gets its reply: active, and nothing sent twice",
    moments: [{ point: "spill.committed:before" }],
    restarts: false,
    cells: allClasses(saved([1, 1], [1, 1])),
  },
};

const SETTLED_WITHIN_MS = LEASE_STRICT_MS + RECOVERED_WITHIN_MS;
/** Longer than any restart: the dead node's disk is recovered before another node may send. */
const LONG_LEASE_MS = 60_000;

let lanes: Lanes;
let kills = 0;
const lost: Record<Rotation, number> = { none: 0, grace: 0, strict: 0 };

beforeAll(async () => {
  lanes = await openLanes(LANES);
});

afterAll(async () => {
  console.info(
    `crash table: ${kills} kills, ${lost.none} lost of none, ${lost.grace} lost of grace, ${lost.strict} strict lost with a reason`,
  );
  await lanes.close();
});

async function cellOf(own_lanes: Lanes, lane: Lane, row: Row, moment: Moment): Promise<unknown> {
  const { rotation } = lane;
  const { cluster } = own_lanes;
  const { subject, fired } = await inject(own_lanes, lane, moment, "kill");
  expect(fired).toBe(true);
  kills += 1;
  own_lanes.restart(lane, row.restarts);
  const outcome = await settledOutcome(cluster, subject, {
    limit_ms: row.restarts ? LONG_LEASE_MS : SETTLED_WITHIN_MS,
  });
  await lane.victim;
  const reply = await read(cluster.first, subject);
  if (outcome.status === "expired") lost[rotation] += 1;
  return { ...asCell(row.cells[rotation], outcome, rotation), reply: reply?.status };
}

/** Returns the outcome in the table's terms. A number within its bounds becomes the bounds. */
function asCell(cell: Cell, outcome: Outcome, rotation: Rotation) {
  const bounded = (bounds: readonly [number, number], n: number) => (n >= bounds[0] && n <= bounds[1] ? bounds : n);
  return {
    rotation,
    requests: bounded(cell.requests, outcome.requests),
    attempts: bounded(cell.attempts, outcome.attempts),
    status: outcome.status,
    reason: outcome.reason,
    reconnects: reconnectEvents(outcome),
    // The provider accepts the stored token, or the connection names the reason.
    is_valid: outcome.status === "expired" || outcome.refresh_token === "current",
    max_in_flight: rotation === "strict" ? outcome.max_in_flight : 1,
    revocations: outcome.revocations,
  };
}

for (const [fault, row] of Object.entries(TABLE)) {
  it(`${fault}: kill -9 ${row.about}`, { tags: fault === "F9" ? [] : ["all"] }, async () => {
    const own = row.restarts ? await openLanes(LANES, LONG_LEASE_MS) : lanes;
    if (own !== lanes) onTestFinished(() => own.close());
    const trials = Array.from({ length: ROUNDS }, (_, round) => round).flatMap((round) =>
      CLASSES.map((rotation) => ({ rotation, moment: row.moments[round % row.moments.length] ?? { at: 0 } })),
    );
    const found = await own.runAll(trials, (lane, { moment }) => cellOf(own, lane, row, moment));
    const expected = trials.map(({ rotation }) => ({
      rotation,
      ...row.cells[rotation],
      is_valid: true,
      max_in_flight: 1,
      revocations: 0,
      reply: row.cells[rotation].status === "active" ? 200 : 409,
    }));
    expect(found).toEqual(expected);
  });
}

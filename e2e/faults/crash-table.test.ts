/**
 * kill -9 at each step of a refresh, for each way in which providers treat refresh tokens, with a second node alive: what
 * must come of it is a table. The provider's ledger and the outbox are the judges.
 */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { FULL } from "./support/cluster.ts";
import {
  LEASE_STRICT_MS,
  openLanes,
  RECOVERED_WITHIN_MS,
  strike,
  type Lane,
  type Lanes,
  type Moment,
} from "./support/cluster-lanes.ts";
import { CLASSES, needsReconnect, read, settled, type Outcome, type Rotation } from "./support/outcome.ts";

/** Each cell so often. */
const ROUNDS = FULL ? 7 : 1;
const LANES = FULL ? 3 : 1;

interface Cell {
  /** Refresh requests that the provider sees in all; both ends count. */
  readonly requests: readonly [least: number, most: number];
  /** Durable intents. */
  readonly attempts: readonly [least: number, most: number];
  readonly status: "active" | "expired";
  readonly reason: "refresh_outcome_unknown" | null;
  /** Times that somebody is told to connect again. */
  readonly told: 0 | 1;
}

const saved = (requests: Cell["requests"], attempts: Cell["attempts"]): Cell => ({
  requests,
  attempts,
  status: "active",
  reason: null,
  told: 0,
});
/** The provider gave the only answer to a process that died with it. Nobody can know but by asking once more. */
const LOST: Cell = {
  requests: [2, 2],
  attempts: [2, 2],
  status: "expired",
  reason: "refresh_outcome_unknown",
  told: 1,
};

interface Row {
  readonly about: string;
  /** Taken in turn. */
  readonly moments: readonly Moment[];
  /** Whether the dead process comes back with its disk. */
  readonly comes_back: boolean;
  readonly cells: Readonly<Record<Rotation, Cell>>;
}

const everywhere = (cell: Cell): Row["cells"] => ({ none: cell, grace: cell, strict: cell });
const unlessStrict = (cell: Cell): Row["cells"] => ({ none: cell, grace: cell, strict: LOST });

const TABLE: Readonly<Record<string, Row>> = {
  F4: {
    about: "before the claim commits: nothing was sent, and the next reader refreshes",
    moments: [{ point: "store.claimRefresh:before" }],
    comes_back: false,
    cells: everywhere(saved([1, 1], [1, 1])),
  },
  F5: {
    about: "after the claim, before a byte is sent: sent once, by the other node",
    moments: [
      { point: "store.claimRefresh:after" },
      { point: "oauth.refresh:before" },
      { point: "oauth.refresh:send" },
    ],
    comes_back: false,
    cells: everywhere(saved([1, 1], [2, 2])),
  },
  F6: {
    about: "after the request was written, which the provider never carries out: sent again, and active",
    moments: [{ provider: "arrived" }],
    comes_back: false,
    cells: everywhere(saved([2, 2], [2, 2])),
  },
  F7: {
    about: "after the provider carried it out, before its answer is read: lost where refresh tokens are single-use",
    moments: [{ provider: "processed" }],
    comes_back: false,
    cells: unlessStrict(saved([2, 2], [2, 2])),
  },
  F8: {
    about: "with the answer in memory, before it is on the disk: lost where refresh tokens are single-use",
    moments: [{ point: "oauth.refresh:after" }, { point: "spill.append:before" }],
    comes_back: false,
    cells: unlessStrict(saved([2, 2], [2, 2])),
  },
  F9: {
    about: "with the answer on the disk, before it is in the database: brought back by the restart, nothing sent twice",
    moments: [{ point: "spill.append:after" }],
    comes_back: true,
    // The other node need not wait for the restart where sending twice does no harm.
    cells: { ...everywhere(saved([1, 2], [1, 2])), strict: saved([1, 1], [1, 1]) },
  },
  F10: {
    about: "after the commit, before the reader is answered: active, and nothing sent twice",
    moments: [{ point: "spill.committed:before" }],
    comes_back: false,
    cells: everywhere(saved([1, 1], [1, 1])),
  },
};

const SETTLED_WITHIN_MS = LEASE_STRICT_MS + RECOVERED_WITHIN_MS;
/** Longer than any restart: what is on the dead one's disk is brought back before anybody else may ask. */
const LONG_LEASE_MS = 60_000;

let lanes: Lanes;
let kills = 0;
const lost: Record<Rotation, number> = { none: 0, grace: 0, strict: 0 };

beforeAll(async () => {
  lanes = await openLanes(LANES);
});

afterAll(async () => {
  console.info(
    `crash table: ${kills} kills, ${lost.none} lost of none, ${lost.grace} lost of grace, ${lost.strict} strict lost and named`,
  );
  await lanes.close();
});

async function cellOf(on: Lanes, lane: Lane, row: Row, moment: Moment): Promise<unknown> {
  const { rotation } = lane;
  const { cluster } = on;
  const { subject, fired } = await strike(on, lane, moment, "kill");
  expect(fired).toBe(true);
  kills += 1;
  on.restart(lane, row.comes_back);
  const outcome = await settled(cluster, subject, { limit_ms: row.comes_back ? LONG_LEASE_MS : SETTLED_WITHIN_MS });
  await lane.victim;
  const reply = await read(cluster.first, subject);
  if (outcome.status === "expired") lost[rotation] += 1;
  return { ...told(row.cells[rotation], outcome, rotation), answer: reply?.status };
}

/** The outcome in the table's words; numbers within their bounds are given as the bounds. */
function told(cell: Cell, outcome: Outcome, rotation: Rotation) {
  const bounded = (bounds: readonly [number, number], n: number) => (n >= bounds[0] && n <= bounds[1] ? bounds : n);
  return {
    rotation,
    requests: bounded(cell.requests, outcome.requests),
    attempts: bounded(cell.attempts, outcome.attempts),
    status: outcome.status,
    reason: outcome.reason,
    told: needsReconnect(outcome),
    // What is stored is what the provider honours, or the connection says why not.
    honoured: outcome.status === "expired" || outcome.refresh_token === "current",
    at_once: rotation === "strict" ? outcome.max_in_flight : 1,
    revocations: outcome.revocations,
  };
}

for (const [fault, row] of Object.entries(TABLE)) {
  it(`${fault}: kill -9 ${row.about}`, { tags: fault === "F9" ? [] : ["all"] }, async () => {
    const own = row.comes_back ? await openLanes(LANES, LONG_LEASE_MS) : lanes;
    if (own !== lanes) onTestFinished(() => own.close());
    const trials = Array.from({ length: ROUNDS }, (_, round) => round).flatMap((round) =>
      CLASSES.map((rotation) => ({ rotation, moment: row.moments[round % row.moments.length] ?? { at: 0 } })),
    );
    const found = await own.runAll(trials, (lane, { moment }) => cellOf(own, lane, row, moment));
    const expected = trials.map(({ rotation }) => ({
      rotation,
      ...row.cells[rotation],
      honoured: true,
      at_once: 1,
      revocations: 0,
      answer: row.cells[rotation].status === "active" ? 200 : 409,
    }));
    expect(found).toEqual(expected);
  });
}

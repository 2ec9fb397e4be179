/** Parses the settings of the sandbox around functions. Errors: CodedError `configuration`. */
import { wrong } from "../settings.ts";

export type Isolation = "bubblewrap" | "none";

export interface UidRange {
  readonly first: number;
  readonly last: number;
}

/** Above the uids of people and services, and of the ranges that systems assign to containers. */
const DEFAULT_UIDS = "1900000000-1900065535";
/** Linux reserves the uids from 2^32 - 2 on. */
const MAX_UID = 4_294_967_293;

export function parseIsolation(text = ""): Isolation {
  if (text === "" || text === "bubblewrap") return "bubblewrap";
  if (text === "none") return "none";
  throw wrong(
    "HOLDFAST_FUNCTIONS_ISOLATION must be bubblewrap or none. Without isolation a function can read everything that this server can. Example: HOLDFAST_FUNCTIONS_ISOLATION=bubblewrap",
  );
}

/** Parses `FIRST-LAST`. Root's uid is never among them. */
export function parseUids(text = ""): UidRange {
  const [, first = "", last = ""] = /^([1-9]\d{0,9})-([1-9]\d{0,9})$/.exec(text === "" ? DEFAULT_UIDS : text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first === "" || range.first > range.last || range.last > MAX_UID) {
    throw wrong(
      "HOLDFAST_FUNCTIONS_UIDS must be FIRST-LAST, two uids of the host that no user or service has. Example: HOLDFAST_FUNCTIONS_UIDS=1900000000-1900065535",
    );
  }
  return range;
}

/** Parses the targets that functions can reach although their addresses are private. */
export function parseEgressAllow(text = ""): readonly string[] {
  if (text === "") return [];
  const targets = text.split(",").map((entry) => entry.trim().toLowerCase());
  const unusable = targets.find((target) => !/^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+):\d{1,5}$/.test(target));
  if (unusable !== undefined) {
    throw wrong(
      `HOLDFAST_FUNCTIONS_EGRESS_ALLOW contains "${unusable}", which is not host:port. Example: HOLDFAST_FUNCTIONS_EGRESS_ALLOW=gitlab.internal:443,10.0.0.7:8080`,
    );
  }
  return targets;
}

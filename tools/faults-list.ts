/**
 * The faults that the refresh engine must survive: F1 to F61, and F15b.
 *
 * A test whose name begins with an id (`F7: …`) covers that fault without being listed here
 * (faults.ts). This list adds the tests that cover a fault under a name of their own.
 */

/** A file, relative to the repository's root, and the exact name of a test in it. */
export type NamedTest = readonly [file: string, name: string];

export interface Fault {
  readonly id: string;
  /** What goes wrong, in one line. */
  readonly title: string;
  readonly tests?: readonly NamedTest[];
  /** Why no test causes it. Set only on a fault without a test. */
  readonly reason?: string;
}

const SERVICE = "packages/server/test/service";
const STORE = "packages/server/test/store";
const READERS = `${SERVICE}/refresh/readers.test.ts`;
const ENDINGS = `${SERVICE}/refresh/endings.test.ts`;
const IN_FLIGHT = `${SERVICE}/refresh/in-flight.test.ts`;
const AFTER_CRASH = `${SERVICE}/refresh/crashes.test.ts`;
const LIMITS = `${SERVICE}/provider-limits.test.ts`;
const HTTP_CLIENT = "packages/server/test/oauth/http-client.test.ts";
const CLASSIFICATION = "packages/server/test/oauth/classification.test.ts";

const named = (file: string, ...names: readonly string[]): readonly NamedTest[] => names.map((name) => [file, name]);

const CRASHES: readonly Fault[] = [
  {
    id: "F1",
    title: "a thousand readers on three nodes request one expired token",
    tests: [
      ...named(
        "e2e/several-nodes.test.ts",
        "refreshes an expired single-use token once for 300 readers, and rejects a revoked token on every node",
      ),
      ...named(READERS, "serves the same new token to 200 callers of %s"),
    ],
  },
  {
    id: "F2",
    title: "the same, with a provider that revokes the grant when a refresh token is used twice",
    tests: named(
      `${SERVICE}/history.test.ts`,
      "never serves a dead token, never uses a refresh token twice, never loses one, in any history",
    ),
  },
  {
    id: "F3",
    title: "a node reads from a stale cache",
    tests: [
      ...named(`${STORE}/suite-refresh.ts`, "does not claim a connection %s"),
      ...named(LIMITS, "gets the tokens that another refresh stored meanwhile"),
    ],
  },
  { id: "F4", title: "killed before the claim is stored" },
  {
    id: "F5",
    title: "killed after the claim, before anything is sent",
    tests: named(
      AFTER_CRASH,
      "takes over the intent of a dead owner at once if sending twice does no harm",
      "waits for the lease of a single-use token, then sends exactly once",
    ),
  },
  { id: "F6", title: "killed after the request is written, before the provider processes it" },
  {
    id: "F7",
    title: "killed after the provider processed the request, before its response is read",
  },
  { id: "F8", title: "killed after the response is read, before it is on disk" },
  {
    id: "F9",
    title: "killed after the response is on disk, before it is in the database",
    tests: named(AFTER_CRASH, "commits the response from the spill after a restart, without another request"),
  },
  { id: "F10", title: "killed after the commit, before the reader gets its reply" },
  {
    id: "F11",
    title: "killed, failed or paused at any await of the engine",
    tests: named(
      "e2e/kill.test.ts",
      "loses no connection without naming the reason, and none at all where the refresh token does not rotate",
    ),
  },
  {
    id: "F12",
    title: "paused after sending, for twice its lease",
  },
  {
    id: "F13",
    title: "paused between claim and sending",
  },
  {
    id: "F14",
    title: "two nodes started from one machine image, or two servers on one SQLite file",
    tests: [
      ...named(`${STORE}/sqlite.test.ts`, "makes a second process exit with code 75"),
      ...named(`${SERVICE}/start-up.test.ts`, "no second server starts on its directory"),
    ],
  },
  {
    id: "F15",
    title: "many callers force a refresh at the same time",
    tests: named(
      ENDINGS,
      "is replaced once, and a second rejection within a minute is refresh_too_soon",
      "causes no request if the rejected token is an older one",
    ),
  },
  {
    id: "F15b",
    title: "the owner is killed while its request is still on the network",
    tests: named(AFTER_CRASH, "waits for the lease of a single-use token, then sends exactly once"),
  },
  {
    id: "F16",
    title: "SIGTERM with a hundred refreshes in flight",
    tests: named(IN_FLIGHT, "lets a refresh in flight finish and stores its response"),
  },
];

const DATABASE: readonly Fault[] = [
  { id: "F17", title: "the database is unreachable before the claim" },
  {
    id: "F18",
    title: "the database becomes unreachable after the request was sent",
    tests: named(
      AFTER_CRASH,
      "serves the response from memory, keeps it in the spill, and commits it when the database is back",
    ),
  },
  {
    id: "F19",
    title: "the outcome of the commit is unknown",
  },
  {
    id: "F20",
    title: "failover to a replica without the last commit",
  },
  { id: "F21", title: "every statement takes seconds" },
  {
    id: "F22",
    title: "the disk is full",
    tests: [
      ...named(`${STORE}/sqlite.test.ts`, "reports a full disk, and works again when there is space"),
      ...named(AFTER_CRASH, "sends nothing if the claim cannot be stored"),
    ],
  },
  {
    id: "F23",
    title: "another process holds the SQLite file's write lock",
    tests: named(`${STORE}/sqlite.test.ts`, "reports a busy database when another writer holds it for too long"),
  },
  {
    id: "F24",
    title: "serialization failures and deadlocks",
    tests: named(
      `${STORE}/postgres.test.ts`,
      "loses no update when two transactions read the same row: one runs again",
    ),
  },
  { id: "F25", title: "the connection pool is exhausted" },
  {
    id: "F26",
    title: "the database is read-only",
    tests: named(
      `${STORE}/postgres.test.ts`,
      "rejects writes as unavailable while the database is read-only, and as busy while a row is locked",
    ),
  },
  { id: "F27", title: "one node loses the database while its request is in flight" },
  {
    id: "F28",
    title: "a corrupt row",
    tests: named(
      `${SERVICE}/start-up.test.ts`,
      "with one flipped bit fails only its connection, changes nothing, and returns who must act",
    ),
  },
];

const PROVIDER: readonly Fault[] = [
  {
    id: "F29",
    title: "connection refused, unknown host name, invalid certificate",
    tests: named(
      HTTP_CLIENT,
      "is reported as not sent if nothing listens",
      "is reported as not sent if the name does not resolve",
    ),
  },
  { id: "F30", title: "no response", tests: named(HTTP_CLIENT, "ends at the deadline without a response") },
  {
    id: "F31",
    title: "the connection ends before the headers, in the body, or right after it",
    tests: named(HTTP_CLIENT, "is reported as maybe sent if it %s, and is not retried"),
  },
  {
    id: "F32",
    title: "429 with every form of Retry-After",
    tests: named(
      LIMITS,
      "stops other requests of its provider and OAuth client until Retry-After, and no other provider's",
    ),
  },
  { id: "F33", title: "500, 502, 503, 504", tests: named(CLASSIFICATION, "%s ($id) -> %o") },
  { id: "F34", title: "200 with an HTML page" },
  { id: "F35", title: "200 with invalid JSON, ambiguous JSON, or endless JSON" },
  { id: "F36", title: "200 with a form-encoded body" },
  { id: "F37", title: "200 with an error in the body" },
  { id: "F38", title: "expires_in that is missing, zero, absurd or not a number" },
  { id: "F39", title: "refresh_token that is missing, empty, the same or a new one" },
  { id: "F40", title: "access_token that is missing, empty, not a string, unfit for a header or too long" },
  { id: "F41", title: "scope that is missing, smaller or larger" },
  { id: "F42", title: "token_type in upper case, of another kind, or missing" },
  { id: "F43", title: "the provider rejects the OAuth client's secret" },
  { id: "F44", title: "temporary errors and unknown errors" },
  { id: "F45", title: "consent is revoked" },
  { id: "F46", title: "new access tokens that the API rejects immediately" },
  { id: "F47", title: "the token endpoint redirects" },
  {
    id: "F48",
    title: "one byte per second",
    tests: named(HTTP_CLIENT, "ends at the deadline while the body arrives slowly but steadily"),
  },
  { id: "F49", title: "a decompression bomb" },
];

const LIFE_CYCLE: readonly Fault[] = [
  { id: "F50", title: "a node's clock is wrong, or drifts" },
  { id: "F51", title: "the database's clock jumps" },
  {
    id: "F52",
    title: "restarted after thirty days, with ten thousand expired tokens",
    tests: [
      ...named(
        `${SERVICE}/throttle.test.ts`,
        "are all renewed within the rate. Readers of expired ones wait at most two seconds, others never",
      ),
      ...named(LIMITS, "are renewed within the rate, and no reader of a valid token waits"),
    ],
  },
  {
    id: "F53",
    title: "a connection that always fails",
    tests: named(
      LIMITS,
      "is retried less and less often, at last once an hour, and needs a new consent after four days",
    ),
  },
  {
    id: "F54",
    title: "a provider is down",
    tests: named(
      LIMITS,
      "gets one reader's request a second and one background request in ten, and serves all readers one second after it is back",
    ),
  },
  {
    id: "F55",
    title: "a new consent while a refresh is in flight",
    tests: named(IN_FLIGHT, "lets a new consent win over the late response"),
  },
  {
    id: "F56",
    title: "a disconnect while a refresh is in flight",
    tests: named(IN_FLIGHT, "stores nothing after a disconnect", "stores nothing after a removal"),
  },
  {
    id: "F57",
    title: "the app is deleted while a refresh is in flight",
    tests: named(IN_FLIGHT, "stores nothing after the app was deleted"),
  },
  {
    id: "F58",
    title: "keys are rotated during a storm of refreshes",
  },
  {
    id: "F59",
    title: "two versions of the server on one database",
  },
  { id: "F60", title: "the webhook receiver is down" },
  {
    id: "F61",
    title: "a refresh token that expires when unused",
    tests: named(`${SERVICE}/life.test.ts`, "is used in time by the sweeper, without readers, and expires later"),
  },
];

interface FaultGroup {
  readonly title: string;
  readonly faults: readonly Fault[];
}

export const FAULT_GROUPS: readonly FaultGroup[] = [
  { title: "Concurrency and crashes", faults: CRASHES },
  { title: "The database", faults: DATABASE },
  { title: "The provider", faults: PROVIDER },
  { title: "Time, load and life cycle", faults: LIFE_CYCLE },
];

/** The faults of all groups, in the order of their ids. */
export const FAULTS: readonly Fault[] = FAULT_GROUPS.flatMap(({ faults }) => faults);

/** Readers that request tokens from the nodes, and the replies that they are owed. */
import { CodedError } from "../../src/core/errors.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import type { Node } from "./node.ts";
import { TYPE, WALL, type Stage, type Subject } from "./stage.ts";
import type { Life } from "./world.ts";

/** Time until a node notices that the database is back. */
const NOTICED_MS = 3_000;

/** A node's time is early by the duration of a statement to a slow database. */
const EARLY_MS = 5_000;

export interface Readers {
  /** From now on, a reader requests tokens from this node repeatedly. */
  visit(node: Node): void;
  /** Returns the number of readers that wait for a process that is alive. */
  waiting(): number;
}

interface ReadersState {
  readonly stage: () => Stage;
  /** A list of one process per request, so that each request counts. */
  readonly open: Set<Life[]>;
}

export function createReaders(stage: () => Stage): Readers {
  const readers: ReadersState = { stage, open: new Set() };
  return {
    visit: (node) => visit(readers, node),
    waiting: () => [...readers.open].filter(([life]) => life?.dead === false).length,
  };
}

function visit(readers: ReadersState, node: Node): void {
  const { world, subjects, is_calm } = readers.stage();
  world.at(node.life, world.random.between(500, is_calm ? 3_000 : 9_000), () => {
    request(readers, node, world.random.pick(subjects));
    visit(readers, node);
  });
}

function request({ stage, open }: ReadersState, node: Node, { id, app_id }: Subject): void {
  const { observer, world } = stage();
  const reader = [node.life];
  open.add(reader);
  const isOwed = promiseTo(stage(), node, id, node.cache.fresh(app_id, TYPE)?.row ?? null);
  void node.connections
    .get(app_id, TYPE, { rejected_hash: null, min_valid_ms: null })
    .then(({ access_token, expires_at }) => observer.served(id, access_token.expose(), expires_at))
    .catch((error: unknown) => {
      const details = (): string => `${id} at ${node.life.owner}: ${describe(error)}`;
      world.check("valid_token_is_served", !isOwed(), details);
    })
    .finally(() => open.delete(reader));
}

/**
 * Returns a function to call when the reader gets an error. It reports whether the reader should
 * have got the token that was there when it came.
 */
function promiseTo(stage: Stage, node: Node, id: string, cached: ConnectionRow | null): () => boolean {
  const { observer, world, cluster } = stage;
  const requested_at = world.now();
  const before = observer.row(id);
  const knew_database = node.isDatabaseThere();
  // By any clock: a clock that is set back makes no token valid again.
  const latest = (): number => Math.max(node.clock.now(), cluster.now(), WALL + world.now());
  const then = latest();
  return () => {
    const after = observer.row(id);
    if (before?.status !== "active" || after?.status !== "active") return false;
    const now = Math.max(then, latest());
    if (cached !== null && works(cached, now)) return true;
    const last_failure = Math.max(cluster.lastFailureAt(node.life.node), node.life.disturbed_at);
    return knew_database && last_failure < requested_at - NOTICED_MS && works(before, now) && works(after, now);
  };
}

function works({ expires_at }: ConnectionRow, now: number): boolean {
  return expires_at !== null && expires_at > now + EARLY_MS;
}

export function describe(error: unknown): string {
  if (error instanceof CodedError) return error.code;
  return error instanceof Error ? (error.stack ?? error.message) : "not an error";
}

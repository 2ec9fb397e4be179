/** Those who ask the nodes for tokens, and what they may expect. */
import { ApiError } from "../../src/core/errors.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import type { Node } from "./node.ts";
import { TYPE, WALL, type Stage, type Subject } from "./stage.ts";
import type { Life } from "./world.ts";

/** Until a node notices that the database is back. */
const NOTICED_MS = 3_000;

/** A node's time is early by as long as a statement took to get to a slow database. */
const EARLY_MS = 5_000;

export interface Readers {
  /** From now on somebody asks this node, over and over. */
  come(node: Node): void;
  /** Those who wait for an answer of a process that lives. */
  waiting(): number;
}

export function createReaders(stage: () => Stage): Readers {
  const open = new Set<Life[]>();

  function come(node: Node): void {
    const { world, subjects, calm } = stage();
    world.at(node.life, world.random.between(500, calm ? 3_000 : 9_000), () => {
      ask(node, world.random.pick(subjects));
      come(node);
    });
  }

  function ask(node: Node, { id, app_id }: Subject): void {
    const { judge, world } = stage();
    const reader = [node.life];
    open.add(reader);
    const isOwed = promise(node, id, node.cache.fresh(app_id, TYPE)?.row ?? null);
    void node.connections
      .get(app_id, TYPE, { rejected_hash: null, min_valid_ms: null })
      .then(({ access_token, expires_at }) => judge.served(id, access_token.expose(), expires_at))
      .catch((error: unknown) => {
        const told = (): string => `${id} at ${node.life.owner}: ${describe(error)}`;
        world.check("valid_token_is_served", !isOwed(), told);
      })
      .finally(() => open.delete(reader));
  }

  /** Asked when a reader was turned away: whether it should have got the token that was there when it came. */
  function promise(node: Node, id: string, cached: ConnectionRow | null): () => boolean {
    const { judge, world, cluster } = stage();
    const asked_at = world.now();
    const before = judge.row(id);
    const knew_database = node.isDatabaseThere();
    // By any clock: one that is set back makes no token live again.
    const latest = (): number => Math.max(node.clock.now(), cluster.now(), WALL + world.now());
    const then = latest();
    return () => {
      const after = judge.row(id);
      if (before?.status !== "active" || after?.status !== "active") return false;
      const now = Math.max(then, latest());
      const works = ({ expires_at }: ConnectionRow): boolean => expires_at !== null && expires_at > now + EARLY_MS;
      if (cached !== null && works(cached)) return true;
      const last_trouble = Math.max(cluster.troubledAt(node.life.node), node.life.disturbed_at);
      return knew_database && last_trouble < asked_at - NOTICED_MS && works(before) && works(after);
    };
  }

  return {
    come,
    waiting: () => [...open].filter(([life]) => life?.dead === false).length,
  };
}

export function describe(error: unknown): string {
  if (error instanceof ApiError) return error.code;
  return error instanceof Error ? (error.stack ?? error.message) : "not an error";
}

/**
 * Writes the names of dropped response headers to a function's log: each name once, up to a limit
 * per function.
 */
import { LRUCache } from "lru-cache";
import type { Limits } from "../core/limits.ts";

export type DroppedHeaders = (
  of: { readonly app_id: string; readonly function_name: string },
  names: readonly string[],
) => void;

interface DroppedHeadersOptions {
  readonly limits: Limits;
  readonly log: (line: { app_id: string; function_name: string; level: "error"; message: string }) => void;
}

export function createDroppedHeaders({ limits, log }: DroppedHeadersOptions): DroppedHeaders {
  const logged = new LRUCache<string, Set<string>>({ max: limits.function_dropped_headers_functions });
  return ({ app_id, function_name }, dropped) => {
    if (dropped.length === 0) return;
    const key = `${app_id}\n${function_name}`;
    const names = logged.get(key) ?? new Set();
    logged.set(key, names);
    for (const name of dropped) {
      if (names.has(name) || names.size >= limits.function_dropped_headers) continue;
      names.add(name);
      const message = `The response header ${name.slice(0, 100)} was dropped, because a function cannot set it.`;
      log({ app_id, function_name, level: "error", message });
    }
  };
}

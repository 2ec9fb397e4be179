/**
 * Bugs that the simulation must find. They are planted into the real sources as these are loaded,
 * so that production code needs no switch for them. Each replaces exactly one place. If the source
 * no longer has that place, loading fails, and the plant must be updated.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import type { InvariantName } from "./invariants.ts";

interface Plant {
  /** The effect of the bug. */
  readonly meaning: string;
  /** Invariants that show the bug, any of them. */
  readonly breaks: readonly InvariantName[];
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const PLANTS = {
  no_intent: {
    meaning: "The lease is acquired, but no intent is stored.",
    breaks: ["intent_before_send"],
    file: "src/store/queries/refresh.ts",
    find: "    intent_at: row.intent_rt_fp === row.rt_fp ? (row.intent_at ?? now) : now,\n    intent_rt_fp: row.rt_fp,\n",
    replace: "    intent_at: null,\n    intent_rt_fp: null,\n",
  },
  commit_by_lease: {
    meaning: "A response counts only while its sender has the lease.",
    breaks: ["lineage_decides"],
    file: "src/store/queries/refresh.ts",
    find: '  if (row === null || row.status === "disconnected" || !isDescendant(row, commit)) return',
    replace:
      "  if (row === null || row.attempt !== commit.attempt || row.lease_until === null || row.lease_until <= tx.now) return",
  },
  immediate_resend_strict: {
    meaning:
      "The lease of a dead process is taken over at once, although its single-use token may still be on the wire.",
    breaks: ["dead_owner_is_waited_for"],
    file: "src/service/refresh/claim.ts",
    find: 'if (rotationClass(provider) === "strict" || (await deadHolder(deps, row)) === null) return false;\n  return await store.releaseLease(id, lease_owner, resendWindow_ms(provider));',
    replace: "return (await deadHolder(deps, row)) !== null && (await store.releaseLease(id, lease_owner, null));",
  },
  missing_refresh_token_erases: {
    meaning: "A response without a refresh token erases the stored one.",
    breaks: ["stored_token_is_valid", "non_rotating_never_lost"],
    file: "src/service/refresh/send.ts",
    find: "refresh_token: outcome.tokens.refresh_token ?? refresh_token,",
    replace: "refresh_token: outcome.tokens.refresh_token,",
  },
  no_reread_on_invalid_grant: {
    meaning: "A refusal ends the connection, even if another refresh stored newer tokens meanwhile.",
    breaks: ["no_needless_end"],
    file: "src/store/queries/connections.ts",
    find: "row.generation !== change.generation || !canMove(row.status, change.status)) return null;\n  if (change.attempt !== undefined && change.attempt !== row.attempt) return null;",
    replace: "!canMove(row.status, change.status)) return null;",
  },
} as const satisfies Record<string, Plant>;

export type PlantName = keyof typeof PLANTS;

export function isPlant(name: string): name is PlantName {
  return Object.hasOwn(PLANTS, name);
}

/** Reports whether a violation shows this bug. */
export function shows(name: PlantName, violation: string): boolean {
  const { breaks }: Plant = PLANTS[name];
  return breaks.some((invariant) => violation.startsWith(`${invariant}:`));
}

/** Returns the source with a bug planted. @throws Error unless the bug fits exactly one place */
function planted(name: PlantName, source: string): string {
  const { file, find, replace }: Plant = PLANTS[name];
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`The planted bug ${name} fits ${parts.length - 1} places of ${file}, not one.`);
  return parts.join(replace);
}

/** Returns the names of the bugs whose place is gone, for a test that runs no simulation. */
export function plantsWithoutPlace(): readonly string[] {
  return Object.entries(PLANTS).flatMap(([name, { file, find }]) =>
    readFileSync(new URL(`../../${file}`, import.meta.url), "utf8").split(find).length === 2 ? [] : [name],
  );
}

/** Plants a bug. Call it before the module is imported for the first time. */
export function plant(name: PlantName): void {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/packages/server/${PLANTS[name].file}`)) return loaded;
      const source = typeof loaded.source === "string" ? loaded.source : readFileSync(new URL(url), "utf8");
      return { ...loaded, source: planted(name, source) };
    },
  });
}

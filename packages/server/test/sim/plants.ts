/**
 * Bugs that the simulation must find, planted into the real sources as they are loaded: production code has no switch for
 * them. Each replaces exactly one place; when the source no longer has it, loading fails, and the plant has to be renewed.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import type { InvariantName } from "./judge.ts";

interface Plant {
  /** What goes wrong because of it. */
  readonly meaning: string;
  /** What shows it: any of these invariants. */
  readonly breaks: readonly InvariantName[];
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const PLANTS = {
  no_intent: {
    meaning: "The lease is taken, but the request is not announced.",
    breaks: ["intent_before_send"],
    file: "src/store/queries/refresh.ts",
    find: "    intent_at: row.intent_rt_fp === row.rt_fp ? (row.intent_at ?? now) : now,\n    intent_rt_fp: row.rt_fp,\n",
    replace: "    intent_at: null,\n    intent_rt_fp: null,\n",
  },
  commit_by_lease: {
    meaning: "An answer counts only while its sender still has the lease.",
    breaks: ["lineage_decides"],
    file: "src/store/queries/refresh.ts",
    find: '  if (row === null || row.status === "disconnected" || !isDescendant(row, commit)) return',
    replace:
      "  if (row === null || row.attempt !== commit.attempt || row.lease_until === null || row.lease_until <= tx.now) return",
  },
  immediate_resend_strict: {
    meaning: "The lease of a dead process is taken over at once, though its single-use token may still be on the wire.",
    breaks: ["dead_owner_is_waited_for"],
    file: "src/service/refresh/claim.ts",
    find: 'if (rotationClass(provider) === "strict" || (await deadHolder(deps, row)) === null) return false;\n  return store.releaseLease(id, lease_owner, resendWindow_ms(provider));',
    replace: "return (await deadHolder(deps, row)) !== null && store.releaseLease(id, lease_owner, null);",
  },
  missing_refresh_token_erases: {
    meaning: "An answer without a refresh token erases the one that there is.",
    breaks: ["stored_token_is_valid", "non_rotating_never_lost"],
    file: "src/service/refresh/send.ts",
    find: "refresh_token: outcome.tokens.refresh_token ?? refresh_token,",
    replace: "refresh_token: outcome.tokens.refresh_token,",
  },
  no_reread_on_invalid_grant: {
    meaning: "A refusal ends the connection, even if somebody else stored newer tokens meanwhile.",
    breaks: ["no_needless_end"],
    file: "src/store/queries/connections.ts",
    find: "row.generation !== change.generation || !mayMove(row.status, change.status)) return null;\n  if (change.attempt !== undefined && change.attempt !== row.attempt) return null;",
    replace: "!mayMove(row.status, change.status)) return null;",
  },
} as const satisfies Record<string, Plant>;

export type PlantName = keyof typeof PLANTS;

export function isPlant(name: string): name is PlantName {
  return Object.hasOwn(PLANTS, name);
}

/** Whether a broken invariant is the one that shows this bug. */
export function shows(name: PlantName, violation: string): boolean {
  const { breaks }: Plant = PLANTS[name];
  return breaks.some((invariant) => violation.startsWith(`${invariant}:`));
}

/** Before the changed module is imported for the first time. */
export function plant(name: PlantName): void {
  const { file, find, replace }: Plant = PLANTS[name];
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/packages/server/${file}`)) return loaded;
      const source = typeof loaded.source === "string" ? loaded.source : readFileSync(new URL(url), "utf8");
      const parts = source.split(find);
      if (parts.length !== 2)
        throw new Error(`The planted bug ${name} fits ${parts.length - 1} places of ${file}, not one.`);
      return { ...loaded, source: parts.join(replace) };
    },
  });
}

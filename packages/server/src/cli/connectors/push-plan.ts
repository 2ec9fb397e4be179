/** Plans a push: a pure comparison of the files with the connectors on the server. */
import { missingScopes } from "../../core/scopes.ts";
import type { DeclaredConnector } from "./files.ts";

export type PushChange = "new" | "changed" | "same" | "removed";

export interface PushStep {
  readonly type: string;
  readonly change: PushChange;
  /** The scopes to declare. An empty list stands for the catalog's defaults. */
  readonly scopes: readonly string[];
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  /**
   * One side has the catalog's defaults and the other a list. Only the server knows the difference.
   */
  readonly defaults: "from" | "to" | null;
}

export function planPush(
  files: readonly DeclaredConnector[],
  remote: readonly DeclaredConnector[],
): readonly PushStep[] {
  const known = new Map(remote.map((one) => [one.type, one.scopes]));
  const wanted = new Set(files.map(({ type }) => type));
  return [
    ...files.map(({ type, scopes }) => stepOf(type, scopes, known.get(type) ?? null)),
    ...remote
      .filter(({ type }) => !wanted.has(type))
      .map(({ type, scopes }): PushStep => ({
        type,
        change: "removed",
        scopes: [],
        added: [],
        dropped: scopes,
        defaults: null,
      })),
  ];
}

function stepOf(type: string, scopes: readonly string[], before: readonly string[] | null): PushStep {
  if (before === null) return { type, change: "new", scopes, added: scopes, dropped: [], defaults: null };
  const added = missingScopes(scopes, before);
  const dropped = missingScopes(before, scopes);
  const change = added.length + dropped.length === 0 ? "same" : "changed";
  const defaults = change === "same" ? null : before.length === 0 ? "from" : scopes.length === 0 ? "to" : null;
  return { type, change, scopes, added, dropped, defaults };
}

/** Reports whether the push replaces or deletes something. */
export const isDestructive = (steps: readonly PushStep[]): boolean =>
  steps.some(({ change }) => change === "changed" || change === "removed");

/** Returns a line per connector and per scope, as in a patch. */
export function describePush(steps: readonly PushStep[]): string {
  return steps.flatMap(linesOf).join("\n");
}

function linesOf({ type, change, scopes, added, dropped, defaults }: PushStep): readonly string[] {
  const scoped = [...added.map((scope) => `    + ${scope}`), ...dropped.map((scope) => `    - ${scope}`)];
  switch (change) {
    case "same":
      return [`  ${type}: no change`];
    case "removed":
      return [`- ${type}: removed, and its connection ended`];
    case "new":
      return [`+ ${type}: new${scopes.length === 0 ? ", with the default scopes" : ""}`, ...scoped];
    case "changed":
      if (defaults === "from") return [`~ ${type}: these scopes instead of the defaults`, ...scoped];
      if (defaults === "to") return [`~ ${type}: the default scopes instead of these`, ...scoped];
      return [`~ ${type}: changed scopes`, ...scoped];
  }
}

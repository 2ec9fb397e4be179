/** What a push is about to change, as a pure comparison of files with what the server has. */
import { missingScopes } from "../../core/scopes.ts";
import type { DeclaredConnector } from "./files.ts";

export type PushChange = "new" | "changed" | "same" | "removed";

export interface PushStep {
  readonly type: string;
  readonly change: PushChange;
  /** To be declared; none means the catalog's defaults. */
  readonly scopes: readonly string[];
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  /** On one side there are the catalog's defaults, on the other a list: what changes in truth only the server knows. */
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

/** Whether something that is there would be replaced or deleted. */
export const isDestructive = (steps: readonly PushStep[]): boolean =>
  steps.some(({ change }) => change === "changed" || change === "removed");

/** One line per connector and one per scope, as in a patch. */
export function describePush(steps: readonly PushStep[]): string {
  return steps.flatMap(linesOf).join("\n");
}

function linesOf({ type, change, scopes, added, dropped, defaults }: PushStep): readonly string[] {
  const scoped = [...added.map((scope) => `    + ${scope}`), ...dropped.map((scope) => `    - ${scope}`)];
  switch (change) {
    case "same":
      return [`  ${type}: no change`];
    case "removed":
      return [`- ${type}: removed, its connection is ended`];
    case "new":
      return [`+ ${type}: new${scopes.length === 0 ? ", with the default scopes" : ""}`, ...scoped];
    case "changed":
      if (defaults === "from") return [`~ ${type}: these scopes instead of the defaults`, ...scoped];
      if (defaults === "to") return [`~ ${type}: the default scopes instead of these`, ...scoped];
      return [`~ ${type}: other scopes`, ...scoped];
  }
}

/**
 * What was proven of each provider in this run. A cell is written by the test that saw it work, or that saw that the vendor
 * has no such thing; an empty cell means that no test ran, and is never taken for either.
 */
import type { Capability, Profile } from "@holdfast/simulator";

export const CAPABILITIES = [
  "connect",
  "refresh",
  "rotate",
  "identity",
  "health",
  "revoke",
] as const satisfies readonly Capability[];

export type Cell = "yes" | "none (vendor)";

const rows = new Map<string, Map<Capability, Cell>>();

export function note(id: string, capability: Capability, cell: Cell): void {
  const row = rows.get(id) ?? new Map<Capability, Cell>();
  rows.set(id, row.set(capability, cell));
}

export const cellOf = (id: string, capability: Capability): Cell | null => rows.get(id)?.get(capability) ?? null;

/** What the vendor's own pages say the cell must be. `none` needs such a page as much as `yes` does. */
export function expectedCell({ capabilities }: Profile, capability: Capability): Cell | null {
  const { supported, source } = capabilities[capability];
  if (!source.startsWith("https://")) return null;
  return supported ? "yes" : "none (vendor)";
}

/** A row per provider, a column per capability, for people. */
export function renderTable(ids: readonly string[]): string {
  const lines = [
    ["provider", ...CAPABILITIES],
    ...ids.map((id) => [id, ...CAPABILITIES.map((one) => cellOf(id, one) ?? "-")]),
  ];
  const widths = ["", ...CAPABILITIES].map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

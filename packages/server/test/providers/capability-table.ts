/**
 * Collects which capability of each provider this run proved. A test fills a cell after it saw the
 * capability work, or saw that the vendor does not have it. An empty cell means that no test ran,
 * and counts as neither.
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

export function recordCapability(id: string, capability: Capability, cell: Cell): void {
  const row = rows.get(id) ?? new Map<Capability, Cell>();
  rows.set(id, row.set(capability, cell));
}

export const cellOf = (id: string, capability: Capability): Cell | null => rows.get(id)?.get(capability) ?? null;

/**
 * Returns the cell that the vendor's own pages call for. Null without such a page, even for `none`.
 */
export function expectedCell({ capabilities }: Profile, capability: Capability): Cell | null {
  const { supported, source } = capabilities[capability];
  if (!source.startsWith("https://")) return null;
  return supported ? "yes" : "none (vendor)";
}

/** Formats the table for the test output: a row per provider, a column per capability. */
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

/** Markdown as oxfmt prints it, so that a generated page needs no formatting. */

/** Returns a table with its columns padded to equal width. Pipes in cells are escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", String.raw`\|`)));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [first = [], ...rest] = cells;
  return [line(first), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

/** Joins the parts of a page with blank lines. */
export const markdownPage = (parts: readonly string[]): string => `${parts.join("\n\n")}\n`;

/** Returns the comment that says where to edit a generated page. */
export const generatedFrom = (path: string): string =>
  `<!-- Generated from ${path} by \`npm run generate\`. Edit it there. -->`;

/** Returns rows as CSV with a header. Quotes cells with a comma, quote or line break (RFC 4180). */
export function toCsv(rows: readonly (readonly (string | number)[])[]): string {
  return [["Name", "Quantity"], ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

const cell = (value: string | number): string =>
  /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);

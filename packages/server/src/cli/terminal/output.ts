/**
 * Prints results and notes. Results go to stdout, as text or with --json as one document.
 * Everything else goes to stderr.
 */
export interface Output {
  readonly json: boolean;
  /** Prints the command's result: `text` for users, `value` for programs. */
  result(value: unknown, text: string): void;
  /** Prints progress and hints. */
  note(text: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result: (value, text) =>
      void process.stdout.write(json ? `${JSON.stringify(value)}\n` : text === "" ? "" : `${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
  };
}

/** Prints a command's result: `value` with --json, otherwise `text`. */
export function printResult(flags: { readonly json?: boolean }, value: unknown, text: string): void {
  createOutput(flags.json === true).result(value, text);
}

/** Prints that the user declined. Nothing was changed, and the exit code is 1. */
export function reportCancelled(output: Output): void {
  output.result({ status: "cancelled" }, "Nothing was done.");
  process.exitCode = 1;
}

/**
 * Returns columns of equal width under their names. Without rows, returns `empty`, which says what
 * to do.
 */
export function table(columns: readonly string[], rows: readonly (readonly string[])[], empty = ""): string {
  if (rows.length === 0) return empty;
  const lines = [columns.map((name) => name.toUpperCase()), ...rows];
  const widths = columns.map((_, column) => Math.max(...lines.map((row) => row[column]?.length ?? 0)));
  return lines
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export const day = (at: number | null): string =>
  at === null ? "-" : new Date(at).toISOString().slice(0, 16).replace("T", " ");

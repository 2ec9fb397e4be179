/** Finds the id that a mistyped name probably meant, for "Did you mean". */

/** A longer name is not a typo, and the comparison takes quadratic time. */
const MAX_NAME_LENGTH = 64;
const MAX_EDITS = 2;

/** Returns the id closest to `name`, or null if none is close enough. */
export function nearestOf(ids: readonly string[], name: string): string | null {
  if (name === "" || name.length > MAX_NAME_LENGTH) return null;
  const wanted = normalized(name);
  const ranked = ids
    .map((id) => ({ id, edits: editDistance(wanted, normalized(id)) }))
    .filter(({ id, edits }) => edits <= MAX_EDITS && edits < normalized(id).length / 2)
    .toSorted((a, b) => a.edits - b.edits);
  return ranked[0]?.id ?? null;
}

const normalized = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

/** Returns the Levenshtein distance: the fewest single-character edits that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split("").entries()) {
      const replace = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

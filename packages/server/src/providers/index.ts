/**
 * The catalog: every provider that this server knows, by its id (`integration_type` on the wire).
 *
 * The list is written by hand, so that adding a provider is seen in review; a test holds it and the folder together.
 */
import { github } from "./catalog/github.ts";
import { googlecalendar } from "./catalog/googlecalendar.ts";
import { notion } from "./catalog/notion.ts";
import { salesforce } from "./catalog/salesforce.ts";
import { slack } from "./catalog/slack.ts";
import { slackbot } from "./catalog/slackbot.ts";
import type { Provider } from "./provider.ts";

export interface Catalog {
  get(id: string): Provider | null;
  all(): readonly Provider[];
  /** The id that was probably meant, or null. For "did you mean". */
  nearest(name: string): string | null;
  /** Providers that share a redirect URI. */
  byVendor(vendor: string): readonly Provider[];
}

const BUILT_IN: readonly Provider[] = [github, googlecalendar, notion, salesforce, slack, slackbot];

/**
 * The built-in providers and `extra` ones.
 * @throws Error when two have the same id, since one of them would silently send tokens to the other's endpoint
 */
export function createCatalog(extra: readonly Provider[] = []): Catalog {
  const list = [...BUILT_IN, ...extra];
  const byId = new Map(list.map((provider) => [provider.id, provider]));
  if (byId.size !== list.length) throw new Error("Two providers of the catalog have the same id.");
  return {
    get: (id) => byId.get(id) ?? null,
    all: () => list,
    nearest: (name) => nearestOf([...byId.keys()], name),
    byVendor: (vendor) => list.filter((provider) => provider.vendor === vendor),
  };
}

export const providers: ReadonlyMap<string, Provider> = new Map(BUILT_IN.map((provider) => [provider.id, provider]));

export function findProvider(id: string): Provider | null {
  return providers.get(id) ?? null;
}

export function nearestProvider(name: string): string | null {
  return nearestOf([...providers.keys()], name);
}

/** Longer names are not typing errors, and the comparison costs length times length. */
const MAX_NAME_LENGTH = 64;
const MAX_EDITS = 2;

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

function nearestOf(ids: readonly string[], name: string): string | null {
  if (name === "" || name.length > MAX_NAME_LENGTH) return null;
  const wanted = plain(name);
  const ranked = ids
    .map((id) => ({ id, edits: editDistance(wanted, plain(id)) }))
    .filter(({ id, edits }) => edits <= MAX_EDITS && edits < plain(id).length / 2)
    .toSorted((a, b) => a.edits - b.edits);
  return ranked[0]?.id ?? null;
}

/** Levenshtein: the fewest letters to insert, delete or replace that turn `a` into `b`. */
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

/**
 * The objects behind the vendors' APIs: what an account has from the start, and what API calls
 * created, changed and deleted. In memory, of one run, bounded by number and by size.
 *
 * Knows no vendor and no HTTP. An id depends only on the order of calls, never on the time, so two
 * runs of the same calls end in the same state. Instants are ms since epoch.
 */
import type { JsonObject } from "./types.ts";
import { sha256 } from "./values.ts";

/** Objects of one collection in one account. A function that creates more never stops. */
const OBJECTS_MAX = 1_000;
/** All objects of one run, so that uploads cannot exhaust the memory of the process. */
const BYTES_MAX = 128 * 1024 * 1024;
/** Accounts times collections of one run. */
const TABLES_MAX = 10_000;
/** A file's text is part of the state up to this size. Of larger files only the digest is. */
const TEXT_MAX_BYTES = 4 * 1024;

export interface Stored {
  readonly id: string;
  /** Position within its collection and account, from 1. Never reused. */
  readonly n: number;
  readonly data: JsonObject;
  /** The bytes of a file. */
  readonly content: Uint8Array | null;
  readonly created_at: number;
  readonly changed_at: number;
}

export interface Seed {
  readonly id?: string;
  readonly data: JsonObject;
  readonly content?: Uint8Array;
}

/** One kind of object at one vendor. */
export interface Collection {
  readonly name: string;
  /** Returns the id of the n-th object of an account. */
  newId(owner: string, n: number): string;
  /** What an account has before the first call. Not part of the state until a call changes it. */
  seed?(owner: string): readonly Seed[];
}

/** The objects of one collection in one account, oldest first. */
export interface Objects {
  list(): readonly Stored[];
  get(id: string): Stored | undefined;
  /** @throws SimulatorFull beyond the limits. */
  add(seed: Seed): Stored;
  /** Replaces the data, and the content if given. The object must exist. */
  replace(id: string, data: JsonObject, content?: Uint8Array): Stored;
  remove(id: string): void;
}

/** What a call did to an object, for tests. Has no time, so that it can be compared with a file. */
export interface ChangedObject {
  readonly vendor: string;
  readonly collection: string;
  /** The email of the user or the name of the organization that owns it. */
  readonly account: string;
  readonly id: string;
  readonly change: "created" | "changed" | "deleted";
  /** What the calls stored. null after a deletion. */
  readonly data: JsonObject | null;
  readonly content: ChangedContent | null;
}

export interface ChangedContent {
  readonly bytes: number;
  readonly sha256: string;
  /** null if it is not UTF-8, or longer than 4 KiB. */
  readonly text: string | null;
}

export class SimulatorFull extends Error {}

interface Entry {
  stored: Stored;
  readonly seeded: boolean;
  change: ChangedObject["change"] | null;
  /** Position in the order of first changes. */
  changed_n: number;
}

interface Table {
  readonly vendor: string;
  readonly collection: string;
  readonly owner: string;
  readonly entries: Map<string, Entry>;
  count: number;
}

const sizeOf = ({ data, content }: Pick<Stored, "data" | "content">): number =>
  JSON.stringify(data).length + (content?.length ?? 0);

export class ObjectStore {
  readonly #tables = new Map<string, Table>();
  #bytes = 0;
  #changes = 0;

  objects(vendor: string, collection: Collection, owner: string, now: number): Objects {
    const table = this.#table(vendor, collection, owner, now);
    return {
      list: () => [...table.entries.values()].filter(isLive).map(({ stored }) => stored),
      get: (id) => {
        const entry = table.entries.get(id);
        return entry === undefined || !isLive(entry) ? undefined : entry.stored;
      },
      add: (seed) => this.#add(table, collection, seed, now, "created"),
      replace: (id, data, content) => this.#replace(table, id, data, content, now),
      remove: (id) => this.#remove(table, id),
    };
  }

  /** Returns what calls created, changed and deleted, in the order of the first change. */
  changed(): ChangedObject[] {
    const found = [...this.#tables.values()].flatMap(({ vendor, collection, owner, entries }) =>
      Array.from(entries.values(), (entry) => ({ vendor, collection, owner, ...entry })),
    );
    return found
      .toSorted((one, other) => one.changed_n - other.changed_n)
      .flatMap(({ vendor, collection, owner, stored, change }) => {
        if (change === null) return [];
        const { id, data, content } = stored;
        const left = change === "deleted" ? { data: null, content: null } : { data, content: describe(content) };
        return [{ vendor, collection, account: owner, id, change, ...left }];
      });
  }

  clear(): void {
    this.#tables.clear();
    this.#bytes = 0;
  }

  #table(vendor: string, collection: Collection, owner: string, now: number): Table {
    const key = `${vendor}\n${collection.name}\n${owner}`;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    if (this.#tables.size >= TABLES_MAX) throw new SimulatorFull(`More than ${TABLES_MAX} accounts and collections.`);
    const table: Table = { vendor, collection: collection.name, owner, entries: new Map(), count: 0 };
    this.#tables.set(key, table);
    for (const seed of collection.seed?.(owner) ?? []) this.#add(table, collection, seed, now, null);
    return table;
  }

  #add(table: Table, collection: Collection, seed: Seed, now: number, change: "created" | null): Stored {
    if (table.entries.size >= OBJECTS_MAX) throw new SimulatorFull(`More than ${OBJECTS_MAX} ${collection.name}.`);
    const n = table.count + 1;
    const id = seed.id ?? collection.newId(table.owner, n);
    const stored = { id, n, data: seed.data, content: seed.content ?? null, created_at: now, changed_at: now };
    this.#grow(sizeOf(stored));
    table.count = n;
    const changed_n = this.#nextChange();
    table.entries.set(id, { stored, seeded: change === null, change, changed_n });
    return stored;
  }

  #replace(table: Table, id: string, data: JsonObject, content: Uint8Array | undefined, now: number): Stored {
    const entry = table.entries.get(id);
    if (entry === undefined || !isLive(entry)) throw new Error(`${table.collection} has no ${id}.`);
    const stored = { ...entry.stored, data, content: content ?? entry.stored.content, changed_at: now };
    this.#grow(sizeOf(stored) - sizeOf(entry.stored));
    entry.stored = stored;
    if (entry.change === null) this.#mark(entry, "changed");
    return stored;
  }

  #remove(table: Table, id: string): void {
    const entry = table.entries.get(id);
    if (entry === undefined || !isLive(entry)) return;
    this.#bytes -= sizeOf(entry.stored);
    entry.stored = { ...entry.stored, data: {}, content: null };
    if (entry.change === null) this.#mark(entry, "deleted");
    else entry.change = "deleted";
  }

  #mark(entry: Entry, change: "changed" | "deleted"): void {
    entry.change = change;
    entry.changed_n = this.#nextChange();
  }

  #nextChange(): number {
    this.#changes += 1;
    return this.#changes;
  }

  #grow(bytes: number): void {
    if (this.#bytes + bytes > BYTES_MAX) throw new SimulatorFull(`More than ${BYTES_MAX} bytes of objects.`);
    this.#bytes += bytes;
  }
}

const isLive = ({ change }: Entry): boolean => change !== "deleted";

function describe(content: Uint8Array | null): ChangedContent | null {
  if (content === null) return null;
  const bytes = content.length;
  return { bytes, sha256: sha256(content), text: bytes > TEXT_MAX_BYTES ? null : utf8(content) };
}

/** Returns null for bytes that are not UTF-8. */
function utf8(content: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return null;
  }
}

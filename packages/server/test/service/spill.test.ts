import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open as openFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant, type AppId, type ConnectionId, type Instant } from "../../src/core/types.ts";
import type { SpillRecord } from "../../src/service/refresh/spill-record.ts";
import { openSpill, type Spill, type SpillOptions } from "../../src/service/refresh/spill.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../../src/vault/seal.ts";
import { errorOf, memoryKeys, vaultOver } from "../vault/support.ts";

const KEEP_MS = 600_000;
const BLOCK = 4_096;
const CANARY = "canary-refresh-token";

function movableClock(): Clock & { at: Instant } {
  const clock = {
    at: instant(1_700_000_000_000),
    now: () => clock.at,
    monotonic_ms: () => 0,
    after: () => () => undefined,
  };
  return clock;
}

const place = (row_id: string): SealContext => ({
  table: "spill",
  column: "record",
  scope: "installation",
  row_id,
  generation: 0,
});

/** Opens a spill file on disk with the real vault. `open` opens it again. */
async function bench(blocks = 8, vault?: Vault) {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-spill-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const sealer = vault ?? (await vaultOver(memoryKeys()));
  const clock = movableClock();
  const options: SpillOptions = {
    path: join(directory, "spill.bin"),
    limits: { spill_bytes: blocks * BLOCK, spill_keep_ms: KEEP_MS },
    clock,
    seal: (id, plaintext) => sealer.seal(place(id), plaintext),
    open: (id, bytes) => sealer.open(place(id), sealedFromStorage(bytes)),
  };
  const open = async (change: Partial<SpillOptions> = {}): Promise<Spill> => {
    const spill = await openSpill({ ...options, ...change });
    onTestFinished(() => spill.close());
    return spill;
  };
  return { options, path: options.path, clock, open, spill: await open() };
}

/* oxlint-disable typescript/no-unsafe-type-assertion -- ids of tests. */
const connection = (name: string | number): ConnectionId => `con_${name}` as ConnectionId;
const app = "app_one" as AppId;
/* oxlint-enable typescript/no-unsafe-type-assertion */

function record(name: string | number, attempt = 1, text = CANARY): SpillRecord {
  const payload = new Secret(JSON.stringify({ refresh_token: text }));
  return { connection_id: connection(name), app_id: app, parent_fp: "f".repeat(64), attempt, at: instant(5), payload };
}

const names = (records: readonly SpillRecord[]): string[] =>
  records.map((one) => `${one.connection_id}/${one.attempt}`);
/** Returns a text that takes `blocks` blocks, once sealed and framed. */
const long = (blocks: number): string => "x".repeat((blocks - 1) * BLOCK + 100);

describe("a spilled record", () => {
  it("is returned unchanged after a restart, and no longer once it was committed", async () => {
    const { spill, open } = await bench();
    await spill.append(record("a", 3));
    const [found] = await (await open()).pending();
    expect(found).toEqual(record("a", 3));
    expect(found?.payload.expose()).toBe(record("a").payload.expose());
    await spill.committed(connection("a"), 3);
    expect(await spill.pending()).toEqual([]);
    expect(await (await open()).pending()).toEqual([]);
  });

  it("can be committed again for ten minutes after its commit, even after a restart", async () => {
    const { spill, open, clock } = await bench();
    await spill.append(record("a"));
    await spill.committed(connection("a"), 1);
    clock.at = instant(clock.at + KEEP_MS - 1);
    expect(names(await spill.repairable())).toEqual(["con_a/1"]);
    expect(names(await (await open()).repairable())).toEqual(["con_a/1"]);
    clock.at = instant(clock.at + 1);
    expect(await spill.repairable()).toEqual([]);
    expect(await (await open()).repairable()).toEqual([]);
  });

  it("is replaced by a newer record of the same attempt, and by no other attempt", async () => {
    const { spill, open } = await bench();
    await spill.append(record("a", 1, "first"));
    await spill.append(record("a", 2, "other attempt"));
    await spill.append(record("a", 1, "second"));
    for (const each of [spill, await open()]) {
      const records = await each.pending();
      expect(names(records)).toEqual(["con_a/2", "con_a/1"]);
      expect(records[1]?.payload.expose()).toContain("second");
    }
  });

  it("can be committed while it is still being appended", async () => {
    const { spill } = await bench();
    const appending = spill.append(record("a"));
    await Promise.all([appending, spill.committed(connection("a"), 1)]);
    expect(await spill.pending()).toEqual([]);
  });

  it("leaves no plaintext in the file, which only its owner can read", async () => {
    const { spill, path } = await bench();
    await spill.append(record("a"));
    await spill.append(record("b", 1, CANARY + long(3)));
    const bytes = readFileSync(path);
    for (const text of [CANARY, "refresh_token", "parent_fp", "app_one", "ffffffff"])
      expect(bytes.includes(text)).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("is refused under another record's id", async () => {
    const { spill, path, open } = await bench();
    await spill.append(record("a", 1, "one"));
    await spill.append(record("b", 1, "two"));
    // Both are whole, with correct checksums, but each has the other's sealed bytes.
    const bytes = readFileSync(path);
    const sealed_at = 40 + "con_a/1".length;
    const first = Buffer.from(bytes.subarray(sealed_at, BLOCK));
    bytes.copy(bytes, sealed_at, BLOCK + sealed_at, 2 * BLOCK);
    first.copy(bytes, BLOCK + sealed_at);
    for (const at of [0, BLOCK]) {
      const length = bytes.readUInt32BE(at + 16) + bytes.readUInt32BE(at + 20);
      bytes.writeUInt32BE(
        crc32(bytes.subarray(at + 40, at + 40 + length), crc32(bytes.subarray(at, at + 24))),
        at + 24,
      );
    }
    writeFileSync(path, bytes);
    const swapped = await open();
    expect(await swapped.pending()).toEqual([]);
    expect(swapped.unreadable).toBe(2);
  });
});

async function twoRecords() {
  const { spill, path, options } = await bench(4);
  await spill.append(record("whole", 1, "kept"));
  await spill.append(record("torn"));
  const length =
    readFileSync(path)
      .subarray(BLOCK)
      .findLastIndex((byte) => byte !== 0) + 1;
  return { path, copy: { ...options, path: `${path}.copy` }, length };
}

/** Erases the commit mark, which is no part of the record: a damaged one means "not committed". */
function withoutMark(bytes: Buffer): Buffer {
  return Buffer.from(bytes).fill(0, BLOCK + 28, BLOCK + 40);
}

describe("a torn write", () => {
  it("of the last record at any byte is ignored, and damages no other record", { timeout: 60_000 }, async () => {
    const { path, copy, length } = await twoRecords();
    const intact = readFileSync(path);
    const tears = [
      (bytes: Buffer, at: number) => bytes.fill(0, at),
      (bytes: Buffer, at: number) => bytes.fill((bytes[at] ?? 0) ^ 0x5a, at, at + 1),
    ];
    for (let at = BLOCK; at < BLOCK + length; at += 1) {
      for (const tear of tears) {
        const bytes = tear(Buffer.from(intact), at);
        writeFileSync(copy.path, bytes);
        const torn = await openSpill(copy);
        const whole = withoutMark(bytes).equals(withoutMark(intact));
        expect(names(await torn.pending())).toEqual(whole ? ["con_whole/1", "con_torn/1"] : ["con_whole/1"]);
        await torn.close();
      }
    }
  });

  it("that truncated the file is ignored, and the file grows back for new records", { timeout: 60_000 }, async () => {
    const { path, copy, length } = await twoRecords();
    for (let at = 0; at < length; at += 1) {
      copyFileSync(path, copy.path);
      truncateSync(copy.path, BLOCK + at);
      const cut = await openSpill(copy);
      expect(names(await cut.pending())).toEqual(["con_whole/1"]);
      await cut.append(record("new"));
      expect(names(await cut.pending())).toEqual(["con_whole/1", "con_new/1"]);
      await cut.close();
      expect(statSync(copy.path).size).toBe(4 * BLOCK);
    }
  });

  it("never stops a start, with any bytes", async () => {
    const { path, options } = await bench(2);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 60, maxLength: 200 }), async (junk) => {
        writeFileSync(path, Buffer.concat([Buffer.from("hfspill1"), junk]));
        const spill = await openSpill(options);
        expect(await spill.pending()).toEqual([]);
        await spill.close();
      }),
      { numRuns: 50 },
    );
  });
});

describe("the space in the file", () => {
  it("is allocated at the start and reused: a thousand records fit into eight blocks", async () => {
    const { spill, path, open, clock } = await bench(8);
    for (let count = 0; count < 1_000; count += 1) {
      await spill.append(record(count));
      await spill.committed(connection(count), 1);
      clock.at = instant(clock.at + 1);
    }
    await spill.append(record("last"));
    expect(statSync(path).size).toBe(8 * BLOCK);
    const restarted = await open();
    expect(names(await restarted.pending())).toEqual(["con_last/1"]);
    // The newest committed records are still there to commit again.
    expect(names(await restarted.repairable())).toEqual([993, 994, 995, 996, 997, 998, 999].map((at) => `con_${at}/1`));
  });

  it("is full when uncommitted records fill it, and none of them is overwritten", async () => {
    const { spill, open } = await bench(4);
    for (const name of ["a", "b", "c", "d"]) await spill.append(record(name));
    const error = await errorOf(() => spill.append(record("e")));
    expect(error?.code).toBe("storage_full");
    expect(error?.message).toContain("HOLDFAST_SPILL_BYTES");
    expect(names(await (await open()).pending())).toEqual(["con_a/1", "con_b/1", "con_c/1", "con_d/1"]);
    await spill.committed(connection("b"), 1);
    await spill.append(record("e"));
    expect(names(await (await open()).pending())).toEqual(["con_a/1", "con_c/1", "con_d/1", "con_e/1"]);
  });

  it("comes from committed records before their time, oldest first, if no other is free", async () => {
    const { spill } = await bench(4);
    for (const name of ["a", "b", "c", "d"]) await spill.append(record(name));
    for (const name of ["c", "b", "a"]) await spill.committed(connection(name), 1);
    await spill.append(record("e", 1, long(2)));
    expect(names(await spill.repairable())).toEqual(["con_c/1"]);
    expect(names(await spill.pending())).toEqual(["con_d/1", "con_e/1"]);
  });

  it("is assigned after the last write, and never across the end of the file", async () => {
    const { spill, open, clock } = await bench(4);
    await spill.append(record("a", 1, long(2)));
    await spill.append(record("b"));
    await spill.committed(connection("a"), 1);
    clock.at = instant(clock.at + KEEP_MS);
    // The last block and the first two are free.
    await spill.append(record("c", 1, long(2)));
    expect(names(await (await open()).pending())).toEqual(["con_b/1", "con_c/1"]);
    await spill.append(record("d"));
    expect(names(await (await open()).pending())).toEqual(["con_b/1", "con_c/1", "con_d/1"]);
  });

  it("that was reused during a read never returns another record", async () => {
    const { spill, open, options } = await bench(2);
    for (const name of ["a", "b"]) await spill.append(record(name));
    const [reading, proceed] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const slow = await open({
      open: async (id, bytes) => {
        reading.resolve(undefined);
        await proceed.promise;
        return await options.open(id, bytes);
      },
    });
    const pending = slow.pending();
    await reading.promise;
    await slow.committed(connection("b"), 1);
    await slow.append(record("c"));
    proceed.resolve(undefined);
    expect(names(await pending)).toEqual(["con_a/1"]);
    expect(slow.unreadable).toBe(0);
  });

  it("that was reused is not marked as committed by the late mark of its earlier record", async () => {
    const { spill, path, open } = await bench(1);
    await spill.append(record("a"));
    await spill.committed(connection("a"), 1);
    const mark = readFileSync(path).subarray(28, 40);
    await spill.append(record("b"));
    const bytes = readFileSync(path);
    mark.copy(bytes, 28);
    writeFileSync(path, bytes);
    expect(names(await (await open()).pending())).toEqual(["con_b/1"]);
  });

  it("grows with the limit and never shrinks below its records", async () => {
    const { spill, open, path } = await bench(4);
    for (const name of ["a", "b", "c", "d"]) await spill.append(record(name));
    const smaller = await open({ limits: { spill_bytes: BLOCK, spill_keep_ms: KEEP_MS } });
    expect(await smaller.pending()).toHaveLength(4);
    const larger = await open({ limits: { spill_bytes: 6 * BLOCK, spill_keep_ms: KEEP_MS } });
    await larger.append(record("e", 1, long(2)));
    expect(await larger.pending()).toHaveLength(5);
    expect(statSync(path).size).toBe(6 * BLOCK);
  });

  it("has the same records as a model, after any appends, commits and restarts", { timeout: 60_000 }, async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("append" as const), name: fc.nat(5), blocks: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant("commit" as const), name: fc.nat(5) }),
      fc.record({ do: fc.constant("restart" as const) }),
      fc.record({ do: fc.constant("wait" as const) }),
    );
    const { options, clock } = await bench();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        rmSync(options.path);
        let spill = await openSpill(options);
        const model = new Set<string>();
        for (const each of steps) {
          if (each.do === "append") {
            const error = await errorOf(() => spill.append(record(each.name, 1, long(each.blocks))));
            if (error !== null && model.size === 0)
              throw new Error("An append was refused without any uncommitted record.");
            if (error === null) model.add(`con_${each.name}/1`);
          } else if (each.do === "commit") {
            await spill.committed(connection(each.name), 1);
            model.delete(`con_${each.name}/1`);
          } else if (each.do === "restart") {
            await spill.close();
            spill = await openSpill(options);
          } else {
            clock.at = instant(clock.at + KEEP_MS);
          }
          expect(names(await spill.pending()).toSorted()).toEqual([...model].toSorted());
        }
        await spill.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe("many appends at once", () => {
  it("share a sync, and all records are there after a restart", async () => {
    const { spill, open, path } = await bench(64);
    const syncs = await spyOn(path, "datasync");
    await Promise.all(Array.from({ length: 50 }, (_, at) => spill.append(record(at))));
    expect(syncs.mock.calls.length).toBeLessThan(25);
    expect(await (await open()).pending()).toHaveLength(50);
  });

  it("are durable only after a sync that began after their own write", async () => {
    const { spill, path } = await bench();
    const [syncs, writes] = [await spyOn(path, "datasync"), await spyOn(path, "write")];
    const [first_sync, second_sync] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    syncs.mockImplementationOnce(() => first_sync.promise).mockImplementationOnce(() => second_sync.promise);
    const first = spill.append(record("a"));
    await expect.poll(() => syncs.mock.calls.length).toBe(1);
    const state = { second_done: false };
    const second = spill.append(record("b")).then(() => (state.second_done = true));
    // The second record is in the file and waits for its sync, while the first sync still runs.
    await expect.poll(() => writes.mock.settledResults.filter(({ type }) => type === "fulfilled").length).toBe(2);
    await setImmediate();
    first_sync.resolve(undefined);
    await first;
    await expect.poll(() => syncs.mock.calls.length).toBe(2);
    expect(state.second_done).toBe(false);
    second_sync.resolve(undefined);
    expect(await second).toBe(true);
  });
});

describe("a disk that fails", () => {
  it("is storage_full at the start if there is no room for the file", async () => {
    const { options } = await bench();
    expect((await errorOf(() => openSpill({ ...options, path: "/dev/full" })))?.code).toBe("storage_full");
  });

  it.each([
    ["ENOSPC", "storage_full"],
    ["EIO", "internal"],
  ])(
    "with %s at the sync fails all appends that waited for it with %s, and frees their blocks",
    async (code, expected) => {
      const { spill, path } = await bench(4);
      const syncs = await spyOn(path, "datasync");
      syncs.mockRejectedValueOnce(Object.assign(new Error("sync"), { code }));
      expect((await errorOf(() => spill.append(record("a", 1, long(4)))))?.code).toBe(expected);
      await spill.append(record("b", 1, long(4)));
      expect(names(await spill.pending())).toEqual(["con_b/1"]);
    },
  );
});

describe("records that cannot be opened", () => {
  it("are skipped, counted and kept, and the others are returned", async () => {
    const { spill, open, options } = await bench(4);
    for (const name of ["a", "b"]) await spill.append(record(name));
    const locked = await open({
      open: (id, bytes) =>
        id === "con_a/1" ? Promise.reject(new CodedError("credential_unreadable")) : options.open(id, bytes),
    });
    expect(names(await locked.pending())).toEqual(["con_b/1"]);
    expect(locked.unreadable).toBe(1);
    for (const name of ["c", "d"]) await locked.append(record(name));
    expect((await errorOf(() => locked.append(record("e"))))?.code).toBe("storage_full");
    expect(names(await (await open()).pending())).toEqual(["con_a/1", "con_b/1", "con_c/1", "con_d/1"]);
  });

  it("because the database is down fail the read, instead of being skipped", async () => {
    const { spill, open } = await bench();
    await spill.append(record("a"));
    const offline = await open({ open: () => Promise.reject(new CodedError("database_unavailable")) });
    expect((await errorOf(() => offline.pending()))?.code).toBe("database_unavailable");
  });

  it("never put their text into an error", async () => {
    const { spill, open } = await bench();
    await spill.append(record("a"));
    const odd = await open({ open: async () => new Secret(`{"${CANARY}`) });
    expect(await odd.pending()).toEqual([]);
    expect(odd.unreadable).toBe(1);
  });
});

/** Spies on a method of all file handles, to count, delay and fail disk operations. */
async function spyOn<Name extends "datasync" | "write">(path: string, name: Name) {
  const probe = await openFile(path);
  const prototype: FileHandle = Object.getPrototypeOf(probe);
  await probe.close();
  const spy = vi.spyOn(prototype, name);
  onTestFinished(() => spy.mockRestore());
  return spy;
}

import { execFile } from "node:child_process";
import { chmodSync, chownSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { createKeyFile, loadKeyring } from "../../src/vault/keyring.ts";
import { retireUnused, rewrapAll, rotateMasterKey } from "../../src/vault/rotate.ts";
import { context, errorOf, masterKey, memoryKeys, ringOf, temporaryDirectory, vaultOver } from "./support.ts";

const CHILD = fileURLToPath(new URL("rotate-child.ts", import.meta.url));
const secret = new Secret("text");
const load = (data_dir: string) => loadKeyring({ data_dir, master_key: null, has_data: true });

function newDirectory(): string {
  const directory = temporaryDirectory();
  createKeyFile(directory);
  return directory;
}

interface Ended {
  readonly output: string;
  readonly signal: NodeJS.Signals | null;
  readonly failed: boolean;
}

function child(...parameters: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHILD, ...parameters], (error, output) => {
      resolve({ output, signal: error?.signal ?? null, failed: error !== null });
    });
  });
}

describe("rotating the master key", () => {
  it("adds a new first key, keeps the old one, and keeps the file readable only by its owner", () => {
    const directory = newDirectory();
    const before = load(directory);
    const { kek_id } = rotateMasterKey(directory);
    expect(load(directory).ids()).toEqual([kek_id, before.current.kek_id]);
    expect(statSync(join(directory, "master.key")).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["master.key"]);
  });

  it("follows a symbolic link, and keeps it", () => {
    const [target, directory] = [newDirectory(), temporaryDirectory()];
    symlinkSync(join(target, "master.key"), join(directory, "master.key"));
    const { kek_id } = rotateMasterKey(directory);
    expect(load(target).current.kek_id).toBe(kek_id);
    expect(readdirSync(directory)).toEqual(["master.key"]);
  });

  it("keeps the file's owner, so that the service can still read it", () => {
    const directory = newDirectory();
    const path = join(directory, "master.key");
    // Only root can change a file's owner. For other users this test proves less.
    if (process.getuid?.() === 0) chownSync(path, 12_345, 12_346);
    const { uid, gid } = statSync(path);
    rotateMasterKey(directory);
    expect(statSync(join(directory, "master.key"))).toMatchObject({ uid, gid });
  });

  it("requires a valid key file", async () => {
    expect((await errorOf(() => rotateMasterKey(temporaryDirectory())))?.code).toBe("missing_master_key");
    const directory = newDirectory();
    chmodSync(join(directory, "master.key"), 0o644);
    expect((await errorOf(() => rotateMasterKey(directory)))?.code).toBe("configuration");
  });

  it("keeps a running vault reading and writing through all three steps", async () => {
    const [directory, keys] = [newDirectory(), memoryKeys()];
    const running = await vaultOver(keys, load(directory));
    const early = await running.seal(context, secret);
    const fingerprint = running.fingerprint(secret);
    const { kek_id } = rotateMasterKey(directory);
    await rewrapAll(load(directory), keys);
    expect(await retireUnused(directory, keys)).toHaveLength(1);
    expect(load(directory).ids()).toEqual([kek_id]);

    running.evict(context.scope);
    expect((await running.open(context, early)).expose()).toBe("text");
    // A new data key of the old process is under the new master key. The old one is not in the
    // file.
    const other = { ...context, scope: "app_two" };
    const late = await running.seal(other, secret);
    const restarted = await vaultOver(keys, load(directory));
    expect((await restarted.open(context, early)).expose()).toBe("text");
    expect((await restarted.open(other, late)).expose()).toBe("text");
    expect(restarted.fingerprint(secret)).toBe(fingerprint);
  });

  it("rewraps a data key whose master key is retired while it is being stored", async () => {
    const [directory, keys] = [newDirectory(), memoryKeys()];
    const ring = load(directory);
    await vaultOver(keys, ring);
    const slow = await vaultOver(
      {
        ...keys,
        insert: async (row, replaces) => {
          rotateMasterKey(directory);
          await rewrapAll(load(directory), keys);
          await retireUnused(directory, keys);
          return await keys.insert(row, replaces);
        },
      },
      ring,
    );
    const sealed = await slow.seal(context, secret);
    const restarted = await vaultOver(keys, load(directory));
    expect((await restarted.open(context, sealed)).expose()).toBe("text");
  });
});

describe("a rotation that is killed", () => {
  it.each(["locked", "written", "renamed"])(
    "at the step %s leaves a file that decrypts everything, and can be repeated",
    async (step) => {
      const [directory, keys] = [newDirectory(), memoryKeys()];
      const sealed = await (await vaultOver(keys, load(directory))).seal(context, secret);
      expect((await child("rotate", directory, step)).signal).toBe("SIGKILL");

      const after = await vaultOver(keys, load(directory));
      expect((await after.open(context, sealed)).expose()).toBe("text");
      const { kek_id } = rotateMasterKey(directory);
      expect(await rewrapAll(load(directory), keys)).toEqual({ rewrapped: 2, unchanged: 0, unreadable: [] });
      await retireUnused(directory, keys);
      expect(load(directory).ids()).toEqual([kek_id]);
      expect(readdirSync(directory)).toEqual(["master.key"]);
      expect((await (await vaultOver(keys, load(directory))).open(context, sealed)).expose()).toBe("text");
    },
  );

  it.each(["locked", "written", "renamed"])("while removing old keys at %s keeps the current one", async (step) => {
    const directory = newDirectory();
    const { kek_id } = rotateMasterKey(directory);
    expect((await child("retire", directory, step)).signal).toBe("SIGKILL");
    expect(load(directory).current.kek_id).toBe(kek_id);
    await retireUnused(directory, memoryKeys());
    expect(load(directory).ids()).toEqual([kek_id]);
  });

  it("loses no key if several run at once: each is in the file or was refused", async () => {
    const directory = newDirectory();
    const ended = await Promise.all(Array.from({ length: 4 }, () => child("rotate", directory)));
    const kek_ids = ended.filter((one) => !one.failed).map((one) => one.output);
    expect(kek_ids.length).toBeGreaterThan(0);
    expect(load(directory).ids()).toEqual(expect.arrayContaining(kek_ids));
    expect(load(directory).ids()).toHaveLength(kek_ids.length + 1);
  });

  it("ignores the lock of a dead process, and respects that of a live one", async () => {
    const directory = newDirectory();
    const lock = join(directory, "master.key.lock.1");
    writeFileSync(lock, String(process.ppid));
    const before = readFileSync(join(directory, "master.key"));
    const error = await errorOf(() => rotateMasterKey(directory));
    expect(error?.code).toBe("configuration");
    expect(error?.message).toContain(lock);
    expect(readFileSync(join(directory, "master.key"))).toEqual(before);
  });
});

describe("rewrapping data keys", () => {
  it("can stop at any point and continue", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver(keys);
    for (let app = 0; app < 9; app += 1) await vault.seal({ ...context, scope: `app_${app}` }, secret);
    const ring = ringOf(masterKey(2), masterKey(1));
    let calls = 0;
    const failing: typeof keys.rewrap = (...parameters) => {
      calls += 1;
      return calls > 4 ? Promise.reject(new Error("the process ends here")) : keys.rewrap(...parameters);
    };
    await expect(rewrapAll(ring, { ...keys, rewrap: failing })).rejects.toThrow("ends here");
    expect(await rewrapAll(ring, keys)).toEqual({ rewrapped: 6, unchanged: 4, unreadable: [] });
    expect(await rewrapAll(ring, keys)).toEqual({ rewrapped: 0, unchanged: 10, unreadable: [] });
  });

  it("skips a row that another node rewrapped meanwhile", async () => {
    const keys = memoryKeys();
    await vaultOver(keys);
    const stale = [...keys.rows.values()];
    const ring = ringOf(masterKey(2), masterKey(1));
    await rewrapAll(ring, keys);
    const before = new Map(keys.rows);
    const late = { ...keys, all: async () => stale };
    expect(await rewrapAll(ring, late)).toEqual({ rewrapped: 0, unchanged: 1, unreadable: [] });
    expect(keys.rows).toEqual(before);
  });

  it("lists the data keys that no key unwraps, and rewraps the others", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver(keys);
    await vault.seal(context, secret);
    const lost = keys.current_of.get(context.scope) ?? "";
    const row = keys.rows.get(lost);
    if (row !== undefined) keys.rows.set(lost, { ...row, kek_id: "0000000000000000" });
    expect(await rewrapAll(ringOf(masterKey(2), masterKey(1)), keys)).toEqual({
      rewrapped: 1,
      unchanged: 0,
      unreadable: [lost],
    });
  });

  it("reads from a store that returns rows one at a time", async () => {
    const keys = memoryKeys();
    await vaultOver(keys);
    const streaming = {
      ...keys,
      all: async function* rows() {
        yield* keys.rows.values();
      },
    };
    expect((await rewrapAll(ringOf(masterKey(2), masterKey(1)), streaming)).rewrapped).toBe(1);
  });
});

describe("removing retired keys", () => {
  it("keeps those that a data key needs", async () => {
    const [directory, keys] = [newDirectory(), memoryKeys()];
    await vaultOver(keys, load(directory));
    const old = load(directory).current.kek_id;
    rotateMasterKey(directory);
    expect(await retireUnused(directory, keys)).toEqual([]);
    expect(load(directory).has(old)).toBe(true);
  });

  it("keeps a key that is retired during the scan of the rows", async () => {
    const [directory, keys] = [newDirectory(), memoryKeys()];
    const first = load(directory).current.kek_id;
    const { kek_id: second } = rotateMasterKey(directory);
    const scanning = {
      ...keys,
      all: async () => {
        rotateMasterKey(directory);
        return [];
      },
    };
    expect(await retireUnused(directory, scanning)).toEqual([first]);
    expect(load(directory).ids()).toHaveLength(2);
    expect(load(directory).has(second)).toBe(true);
  });
});

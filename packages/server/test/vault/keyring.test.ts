import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { checkKeyring, createKeyFile, kekIdOf, loadKeyring } from "../../src/vault/keyring.ts";
import { errorOf, masterKey, ringOf, temporaryDirectory } from "./support.ts";

const line = (key: string): string => `holdfast-key-v1 ${key}\n`;
const load = (data_dir: string, has_data = true) => loadKeyring({ data_dir, master_key: null, has_data });

function directoryWith(text: string, mode = 0o600): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "master.key"), text);
  chmodSync(join(directory, "master.key"), mode);
  return directory;
}

describe("the key file", () => {
  it("is created for a new directory, readable only by its owner, and then stays the same", () => {
    const directory = join(temporaryDirectory(), "new");
    const first = load(directory, false);
    expect(statSync(join(directory, "master.key")).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(load(directory).current).toEqual(first.current);
    expect(readdirSync(directory)).toEqual(["master.key"]);
  });

  it("is never created beside existing data", async () => {
    const directory = temporaryDirectory();
    const error = await errorOf(() => load(directory));
    expect(error?.code).toBe("missing_master_key");
    expect(error?.message).toContain(join(directory, "master.key"));
    expect(error?.message).toContain("Restore");
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each(["holdfast.db", "holdfast.db-wal", "spill.bin"])(
    "is refused beside %s, even if the caller claims there is no data",
    async (name) => {
      const directory = temporaryDirectory();
      writeFileSync(join(directory, name), "data");
      expect((await errorOf(() => createKeyFile(directory)))?.code).toBe("missing_master_key");
      expect((await errorOf(() => load(directory, false)))?.code).toBe("missing_master_key");
      expect(existsSync(join(directory, "master.key"))).toBe(false);
    },
  );

  it("is never overwritten", async () => {
    const directory = directoryWith(line(masterKey(1)));
    expect((await errorOf(() => createKeyFile(directory)))?.code).toBe("configuration");
    expect(readFileSync(join(directory, "master.key"), "utf8")).toBe(line(masterKey(1)));
  });

  it.each([0o640, 0o604, 0o660, 0o620, 0o601])("with mode %o is rejected with a hint to chmod 600", async (mode) => {
    const error = await errorOf(() => load(directoryWith(line(masterKey(1)), mode)));
    expect(error?.code).toBe("configuration");
    expect(error?.message).toContain("chmod 600");
  });

  it("is checked by the file that a symbolic link leads to", async () => {
    const target = directoryWith(line(masterKey(1)), 0o644);
    const directory = temporaryDirectory();
    symlinkSync(join(target, "master.key"), join(directory, "master.key"));
    expect((await errorOf(() => load(directory)))?.message).toContain("chmod 600");
    chmodSync(join(target, "master.key"), 0o400);
    expect(load(directory).ids()).toHaveLength(1);
  });

  it("can contain spaces, blank lines and carriage returns", () => {
    const text = `\n  holdfast-key-v1   ${masterKey(1)}  \r\n\r\nholdfast-key-v1\t${masterKey(2)}`;
    expect(load(directoryWith(text)).ids()).toEqual(ringOf(masterKey(1), masterKey(2)).ids());
  });

  it.each([
    ["an empty file", "", "empty"],
    ["another format", `key ${masterKey(1)}\n`, "line 1"],
    ["31 bytes", line(masterKey(1)) + line(Buffer.alloc(31, 9).toString("base64")), "line 2, has 31 bytes"],
    ["33 bytes", line(Buffer.alloc(33, 9).toString("base64")), "33 bytes"],
    ["not base64", line("?".repeat(44)), "not base64"],
    ["base64 with a stray last character", line(`${masterKey(1)}A`), "not base64"],
    ["no key at all", "holdfast-key-v1\n", "0 bytes"],
  ])("with %s is rejected with the place and how to create a key", async (_name, text, expected) => {
    const error = await errorOf(() => load(directoryWith(text)));
    expect(error?.code).toBe("configuration");
    expect(error?.message).toContain(expected);
    expect(error?.message).not.toContain(masterKey(9).slice(0, 12));
  });

  it("that is a directory is rejected", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "master.key"));
    expect((await errorOf(() => load(directory)))?.message).toContain("not a file");
  });
});

describe("HOLDFAST_MASTER_KEY", () => {
  it("takes precedence over the file and needs none", () => {
    const directory = directoryWith(line(masterKey(1)));
    const ring = loadKeyring({ data_dir: directory, master_key: new Secret(masterKey(2)), has_data: true });
    expect(ring.ids()).toEqual([kekIdOf(Buffer.alloc(32, 2))]);
  });

  it("can contain several keys, the current one first, with whitespace anywhere", () => {
    const wrapped = `${masterKey(1).slice(0, 20)}\n ${masterKey(1).slice(20)}`;
    const ring = ringOf(` ${wrapped} `, ` ${masterKey(2)}\n`);
    expect(ring.current.kek_id).toBe(kekIdOf(Buffer.alloc(32, 1)));
    expect(ring.ids()).toHaveLength(2);
  });

  it("with an invalid key is rejected with its position, without showing it", async () => {
    const error = await errorOf(() => ringOf(masterKey(1), "c2VjcmV0"));
    expect(error).toMatchObject({ code: "configuration" });
    expect(error?.message).toContain("key 2 of 2, has 6 bytes");
    expect(error?.message).toContain("openssl rand -base64 32");
    expect(error?.message).not.toContain("c2Vj");
  });
});

describe("a keyring", () => {
  const aad = Buffer.from("aad");

  it("unwraps what it wrapped, even under a retired key", () => {
    const data_key = ringOf(masterKey(1)).wrap(Buffer.from("data key"), aad);
    const ring = ringOf(masterKey(2), masterKey(1));
    expect(ring.unwrap(data_key.kek_id, data_key.wrapped, aad).toString()).toBe("data key");
    expect(ring.wrap(Buffer.from("x"), aad).kek_id).toBe(ring.current.kek_id);
  });

  it("rejects other keys, other associated data and altered bytes", async () => {
    const ring = ringOf(masterKey(1));
    const { kek_id, wrapped } = ring.wrap(Buffer.from("data key"), aad);
    const altered = Uint8Array.from(wrapped, (byte, at) => (at === 15 ? byte ^ 1 : byte));
    for (const attempt of [
      () => ringOf(masterKey(2)).unwrap(kek_id, wrapped, aad),
      () => ring.unwrap(kek_id, wrapped, Buffer.from("other")),
      () => ring.unwrap(kek_id, altered, aad),
      () => ring.unwrap(kek_id, new Uint8Array(5), aad),
    ]) {
      expect((await errorOf(attempt))?.code).toBe("credential_unreadable");
    }
  });

  it("derives a different key for each purpose, and those of retired keys", () => {
    const ring = ringOf(masterKey(2), masterKey(1));
    expect(ring.deriveKey("a")).toHaveLength(32);
    expect(ring.deriveKey("a")).toEqual(ringOf(masterKey(2)).deriveKey("a"));
    expect(ring.deriveKey("a")).not.toEqual(ring.deriveKey("b"));
    expect(ring.deriveKeys("a")).toEqual([ring.deriveKey("a"), ringOf(masterKey(1)).deriveKey("a")]);
  });

  it("never prints a key", () => {
    const ring = ringOf(masterKey(65));
    const printed = inspect(ring, { depth: 9, showHidden: true }) + JSON.stringify(ring);
    expect(printed).not.toContain("AAAA");
    expect(printed).not.toContain(masterKey(65).slice(0, 10));
    expect(printed).not.toContain("41 41 41");
  });

  it("loads a rotated file on refresh, and keeps its keys if the file becomes empty or invalid", () => {
    const directory = directoryWith(line(masterKey(1)));
    const path = join(directory, "master.key");
    const ring = load(directory);
    const old = ring.current.kek_id;
    writeFileSync(path, line(masterKey(2)) + line(masterKey(1)));
    ring.refresh();
    const now = ring.current.kek_id;
    expect(ring.ids()).toEqual([now, old]);
    writeFileSync(path, line(masterKey(2)));
    ring.refresh();
    expect(ring.has(old)).toBe(true);
    for (const text of ["", "nonsense"]) {
      writeFileSync(path, text);
      ring.refresh();
      expect(ring.current.kek_id).toBe(now);
    }
  });
});

describe("checking a keyring against the data", () => {
  it("accepts data under any of its keys, or no data", () => {
    const ring = ringOf(masterKey(1), masterKey(2));
    expect(() => checkKeyring(ring, [])).not.toThrow();
    expect(() => checkKeyring(ring, [kekIdOf(Buffer.alloc(32, 2)), ring.current.kek_id])).not.toThrow();
  });

  it("rejects a wrong key with both ids", async () => {
    const ring = ringOf(masterKey(1));
    const expected = kekIdOf(Buffer.alloc(32, 2));
    const error = await errorOf(() => checkKeyring(ring, [ring.current.kek_id, expected, expected]));
    expect(error?.code).toBe("wrong_master_key");
    expect(error?.message).toContain(`under master key ${expected},`);
    expect(error?.message).toContain(`is ${ring.current.kek_id}.`);
  });
});

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { tryLock, type Lock } from "../../src/files/lock-file.ts";

function newBase(): { base: string; files: () => string[] } {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-lock-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return { base: join(directory, "lock"), files: () => readdirSync(directory) };
}

const live = (): boolean => false;
const dead = (path: string): boolean => {
  if (!existsSync(path)) throw Object.assign(new Error(path), { code: "ENOENT" });
  return true;
};

function held(lock: Lock): Extract<Lock, { kind: "held" }> {
  if (lock.kind !== "held") throw new Error(`The lock is ${lock.kind}.`);
  return lock;
}

it("is held by one process at a time, and free after its release", () => {
  const { base, files } = newBase();
  const first = held(tryLock(base, live));
  expect(tryLock(base, live)).toEqual({ kind: "busy", path: `${base}.1` });
  first.release();
  expect(files()).toEqual([]);
  held(tryLock(base, live)).release();
});

it("passes a dead holder by, whose late release leaves the lock of its successor", () => {
  const { base, files } = newBase();
  const stopped = held(tryLock(base, live));
  const successor = held(tryLock(base, dead));
  stopped.release();
  expect(files()).toEqual(["lock.1", "lock.2"]);
  successor.release();
  expect(files()).toEqual([]);
});

it("is not held twice if a successor finishes between the check and the takeover", () => {
  const { base, files } = newBase();
  writeFileSync(`${base}.1`, "1");
  let third: Lock | null = null;
  const slow = tryLock(base, (path) => {
    if (third !== null) return false;
    // While this process checks the dead holder, another process takes over and finishes, and a
    // third acquires the lock.
    held(tryLock(base, dead)).release();
    third = tryLock(base, live);
    return existsSync(path);
  });
  expect([slow.kind, third]).toMatchObject(["busy", { kind: "held" }]);
  expect(files()).toEqual(["lock.1"]);
});

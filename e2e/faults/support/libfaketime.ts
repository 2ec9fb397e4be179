/**
 * A wall clock that a process uses in place of the machine's (Debian: libfaketime). Its offset is
 * in a file, so it can jump at run time. Durations and timers stay correct.
 */
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "vitest";
import { temporaryDirectory } from "../../support/temporary.ts";

const LIBRARIES = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(
  (machine) => `/usr/lib/${machine}/faketime/libfaketime.so.1`,
);

export interface FakeClock {
  /** Environment of the process that uses the clock. */
  readonly env: Readonly<Record<string, string>>;
  /** `+1d`, `-3600s`, or with a rate: `+0 x1.1`. */
  set(offset: string): void;
}

/** Returns how far the wall clock of an HTTP server is ahead of ours, by its Date header. */
export async function aheadBy_s(server_url: string): Promise<number> {
  const { headers } = await fetch(`${server_url}/healthz`);
  return Math.round((Date.parse(headers.get("date") ?? "") - Date.now()) / 1_000);
}

/** Skips the test if the library is not installed. */
export function fakeClock(offset: string, { skip }: TestContext): FakeClock {
  const library = LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) skip("libfaketime is not installed (apt-get install libfaketime)");
  const file = join(temporaryDirectory(), "offset");
  const set = (text: string): void => writeFileSync(file, `${text}\n`, { mode: 0o644 });
  set(offset);
  // PostgreSQL runs as another user.
  chmodSync(dirname(file), 0o755);
  return {
    env: {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
    set,
  };
}

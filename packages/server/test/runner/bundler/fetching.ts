/** Helpers of the tests that fetch packages and modules. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import { findDeno } from "../../../src/runner/deno.ts";
import { rejection } from "../harness.ts";
import type { Host } from "./registries.ts";
import { openWorkshop, type Workshop, type WorkshopOptions } from "./workshop.ts";

/** Runs a bundle in `dir` as a function's process would, without rights. Returns its output. */
export async function output(dir: string, code: string): Promise<string> {
  const path = join(dir, `${randomUUID()}.mjs`);
  await writeFile(path, code);
  const flags = ["run", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only"];
  const { stdout } = await promisify(execFile)(findDeno(), [...flags, path], { env: { DENO_DIR: dir, NO_COLOR: "1" } });
  return stdout.trim();
}

/** A workshop with an npm registry of these packages. */
export function workshopOf(npm: Host, options: WorkshopOptions = {}): Workshop {
  return openWorkshop({ ...options, registries: { npm: `${npm.url}/`, ...options.registries } });
}

/** Returns the message of a refused bundle. */
export async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise);
  if (!(error instanceof CodedError)) throw new Error(`not refused: ${JSON.stringify(error)}`);
  expect(error.code).toBe("function_invalid");
  return error.message;
}

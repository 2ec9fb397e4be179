/** Shared by the vault's tests: an in-memory store, a stopped clock, and temporary directories. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { CodedError, type ErrorCode } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant } from "../../src/core/types.ts";
import type { DataKeyLimits, DataKeyStore } from "../../src/vault/data-keys.ts";
import { loadKeyring, type Keyring } from "../../src/vault/keyring.ts";
import { createVault, type SealContext, type Vault } from "../../src/vault/seal.ts";

const clock: Clock = {
  now: () => instant(1_700_000_000_000),
  monotonic_ms: () => 0,
  after: () => () => undefined,
};

export const context: SealContext = {
  table: "connections",
  column: "sealed_access",
  scope: "app_one",
  row_id: "con_one",
  generation: 7,
};

export const masterKey = (fill: number): string => Buffer.alloc(32, fill).toString("base64");

export function ringOf(...keys: readonly string[]): Keyring {
  return loadKeyring({ data_dir: "/nonexistent", master_key: new Secret(keys.join(",")), has_data: true });
}

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-vault-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export { memoryKeys } from "./memory-keys.ts";

export function vaultOver(
  data_keys: DataKeyStore,
  keyring = ringOf(masterKey(1)),
  limits: Partial<DataKeyLimits> = {},
): Promise<Vault> {
  return createVault({ keyring, data_keys, clock, limits });
}

/** Returns code and message of the CodedError that `action` throws. Rethrows any other error. */
export async function errorOf(action: () => unknown): Promise<{ code: ErrorCode; message: string } | null> {
  try {
    await action();
    return null;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** `holdfast keys status|rotate|retire`: the master key, which can change while the server runs. */
import type { Command } from "commander";
import type { Installation } from "../../installation.ts";
import { DATA_DIR, record, withInstallation, type LocalFlags } from "../remote/local.ts";
import { printResult, table } from "../terminal/output.ts";

type Flags = LocalFlags & { readonly json?: boolean };
type Services = Pick<Installation, "audit" | "config" | "store">;

interface KeyStatus {
  readonly kek_id: string;
  readonly current: boolean;
  /** The number of data keys wrapped under this key. */
  readonly data_keys: number;
}

export function keyCommands(program: Command): void {
  const keys = program.command("keys").description("manage the master key, which encrypts everything");
  keys
    .command("status")
    .description("show the ids of the master keys and what each one encrypts, but never a key")
    .option(...DATA_DIR)
    .action(status);
  keys
    .command("rotate")
    .description("create a new master key and wrap every data key under it, while servers keep running")
    .option(...DATA_DIR)
    .action(rotate);
  keys
    .command("retire")
    .description("drop old master keys that encrypt nothing (older backups still need them)")
    .option(...DATA_DIR)
    .action(retire);
}

async function status(flags: Flags): Promise<void> {
  const keys = await withInstallation(flags, statusOf);
  const rows = keys.map((key) => [key.kek_id, key.current ? "current" : "retired", `${key.data_keys} data keys`]);
  printResult(flags, { keys }, table(["key", "state", "holds"], rows));
}

async function statusOf({ keyring, store }: Installation): Promise<readonly KeyStatus[]> {
  const rows = await store.listDataKeys();
  return keyring.ids().map((kek_id) => ({
    kek_id,
    current: kek_id === keyring.current.kek_id,
    data_keys: rows.filter((row) => row.kek_id === kek_id).length,
  }));
}

async function rotate(flags: Flags): Promise<void> {
  const result = await withInstallation(flags, rotateAndRewrap);
  const text = `The master key is now ${result.kek_id}, and ${result.rewrapped} data keys are wrapped under it.\nBack up master.key. When no backup needs the old key: holdfast keys retire.`;
  printResult(flags, result, text);
}

async function rotateAndRewrap(services: Services) {
  const [{ loadKeyring }, { rewrapAll, rotateMasterKey }, { dataKeyStore }] = await Promise.all([
    import("../../vault/keyring.ts"),
    import("../../vault/rotate.ts"),
    import("../../store/data-keys.ts"),
  ]);
  const { data_dir } = services.config;
  const { kek_id } = rotateMasterKey(data_dir);
  await record(services, { action: "master_key.rotate", target: kek_id });
  const keyring = loadKeyring({ data_dir, master_key: null, has_data: true });
  return { kek_id, ...(await rewrapAll(keyring, dataKeyStore(services.store))) };
}

async function retire(flags: Flags): Promise<void> {
  const retired = await withInstallation(flags, retireAndRecord);
  const text = retired.length === 0 ? "There is no old key to drop." : `Dropped ${retired.join(", ")}.`;
  printResult(flags, { retired }, text);
}

async function retireAndRecord(services: Services): Promise<readonly string[]> {
  const [{ retireUnused }, { dataKeyStore }] = await Promise.all([
    import("../../vault/rotate.ts"),
    import("../../store/data-keys.ts"),
  ]);
  const kek_ids = await retireUnused(services.config.data_dir, dataKeyStore(services.store));
  for (const target of kek_ids) await record(services, { action: "master_key.retire", target });
  return kek_ids;
}

/** `holdfast keys status|rotate|retire`: the master key, changed while the server runs. */
import type { Command } from "commander";
import type { Installation } from "../../installation.ts";
import { dataKeyStore } from "../../store/data-keys.ts";
import { DATA_DIR, record, withInstallation, type LocalFlags } from "../remote/local.ts";
import { createOutput, table } from "../terminal/output.ts";

type Flags = LocalFlags & { json?: boolean };

interface KeyStatus {
  readonly kek_id: string;
  readonly current: boolean;
  /** Data keys that are wrapped under it. */
  readonly data_keys: number;
}

export function keyCommands(program: Command): void {
  const keys = program.command("keys").description("look after the master key that everything is encrypted under");

  keys
    .command("status")
    .description("show the ids of the master keys and what each one holds; never a key")
    .option(...DATA_DIR)
    .action(async (flags: Flags) => {
      const status = await withInstallation(flags, statusOf);
      const rows = status.map((key) => [key.kek_id, key.current ? "current" : "retired", `${key.data_keys} data keys`]);
      createOutput(flags.json === true).result({ keys: status }, table(["key", "state", "holds"], rows));
    });

  keys
    .command("rotate")
    .description("make a new master key and put every data key under it; servers go on running")
    .option(...DATA_DIR)
    .action(async (flags: Flags) => {
      const { loadKeyring } = await import("../../vault/keyring.ts");
      const { rewrapAll, rotateMasterKey } = await import("../../vault/rotate.ts");
      const result = await withInstallation(flags, async (installation) => {
        const { config, store } = installation;
        const { kek_id } = rotateMasterKey(config.data_dir);
        await record(installation, { action: "master_key.rotate", target: kek_id });
        const keyring = loadKeyring({ data_dir: config.data_dir, master_key: null, has_data: true });
        return { kek_id, ...(await rewrapAll(keyring, dataKeyStore(store))) };
      });
      const text = `The master key is ${result.kek_id} now; ${result.rewrapped} data keys are under it.\nBack up master.key. When no backup needs the old key any more: holdfast keys retire.`;
      createOutput(flags.json === true).result(result, text);
    });

  keys
    .command("retire")
    .description("drop old master keys that nothing is encrypted under; backups made before still need them")
    .option(...DATA_DIR)
    .action(async (flags: Flags) => {
      const { retireUnused } = await import("../../vault/rotate.ts");
      const retired = await withInstallation(flags, async (installation) => {
        const { config, store } = installation;
        const kek_ids = await retireUnused(config.data_dir, dataKeyStore(store));
        for (const target of kek_ids) await record(installation, { action: "master_key.retire", target });
        return kek_ids;
      });
      createOutput(flags.json === true).result(
        { retired },
        retired.length === 0 ? "No old key is left." : `Dropped ${retired.join(", ")}.`,
      );
    });
}

async function statusOf({ keyring, store }: Installation): Promise<readonly KeyStatus[]> {
  const rows = await store.listDataKeys();
  return keyring.ids().map((kek_id) => ({
    kek_id,
    current: kek_id === keyring.current.kek_id,
    data_keys: rows.filter((row) => row.kek_id === kek_id).length,
  }));
}

/**
 * A child process for rotate.test.ts: `rotate|retire <data_dir> [step to die at]`. Prints the ids.
 */
import { retireUnused, rotateMasterKey } from "../../src/vault/rotate.ts";
import { memoryKeys } from "./memory-keys.ts";

const [, , command, data_dir = "", fatal_step] = process.argv;

const step = (name: string): void => {
  if (name === fatal_step) process.kill(process.pid, "SIGKILL");
};

if (command === "rotate") process.stdout.write(rotateMasterKey(data_dir, step).kek_id);
else process.stdout.write((await retireUnused(data_dir, memoryKeys(), step)).join());

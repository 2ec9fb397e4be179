/** The bin: runs one command and ends with its exit code. */
import { main } from "./cli/main.ts";

process.exitCode = await main(process.argv.slice(2));

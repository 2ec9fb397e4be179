/** Runs one command and sets its exit code. The bin loads this file. */
import { main } from "./cli/main.ts";

process.exitCode = await main(process.argv.slice(2));

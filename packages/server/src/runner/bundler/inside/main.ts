/**
 * The bundler's process: reads one assignment from stdin, and writes one outcome to stdout. Its
 * argument has what only the sandbox knows.
 */
import { text } from "node:stream/consumers";
import type { Assignment, Surroundings } from "./protocol.ts";
import { bundle } from "./worker.ts";

async function main(argument: string): Promise<void> {
  const surroundings: Surroundings = JSON.parse(argument);
  const assignment: Assignment = JSON.parse(await text(process.stdin));
  const outcome = await bundle(assignment, { ...surroundings, scratch: process.cwd() });
  process.stdout.write(JSON.stringify(outcome));
}

void main(process.argv[2] ?? "");

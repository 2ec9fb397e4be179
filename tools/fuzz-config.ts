/**
 * Tries random settings against every URL template of the catalog:
 * `node tools/fuzz-config.ts --runs 1000000 --seed 1`.
 *
 * Prints one line of JSON. Exits with 1 if a URL left the hosts of its template.
 */
import { parseArgs } from "node:util";
import { fuzzConfig } from "../packages/server/test/providers/config-fuzz.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "1000000" }, seed: { type: "string", default: "1" } },
});
const started_ms = performance.now();
const report = fuzzConfig({ runs: Number(values.runs), seed: Number(values.seed) });
const seconds = Math.round((performance.now() - started_ms) / 100) / 10;
process.stdout.write(
  `${JSON.stringify({ ...report, broken: report.broken.slice(0, 20), seed: Number(values.seed), seconds })}\n`,
);
process.exitCode = report.broken.length === 0 ? 0 : 1;

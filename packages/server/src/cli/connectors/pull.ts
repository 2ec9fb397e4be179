/**
 * `holdfast connectors pull`: writes the app's connectors to files. Asks before it deletes a file,
 * or requires `--yes`.
 */
import { resolve } from "node:path";
import { createOutput, reportCancelled } from "../terminal/output.ts";
import { confirmOrYes } from "../terminal/ask.ts";
import { applyPull, planPull, type PullPlan } from "./files.ts";
import { withConnectors, type AppFlags } from "./open.ts";

export type SyncFlags = AppFlags & { readonly dir: string; readonly yes?: boolean };

export async function pull(flags: SyncFlags): Promise<void> {
  const directory = resolve(flags.dir);
  const list = await withConnectors(flags, (api) => api.list());
  const plan = planPull(
    directory,
    list.map(({ integration_type, scopes }) => ({ type: integration_type, scopes })),
  );
  const output = createOutput(flags.json === true);
  if (plan.deleted.length > 0) {
    const paths = plan.deleted.map(({ path }) => path).join(", ");
    if (flags.yes !== true)
      output.note(`The app does not have these connectors. Their files would be deleted: ${paths}`);
    if (!(await confirmOrYes(flags.yes === true, `Pulling would delete ${paths}.`))) return reportCancelled(output);
  }
  applyPull(directory, plan);
  const { written, deleted, unchanged } = typesOf(plan);
  const lines = Object.entries({ Written: written, Deleted: deleted, Unchanged: unchanged })
    .filter(([, types]) => types.length > 0)
    .map(([title, types]) => `${title}: ${types.join(", ")}`);
  const text = lines.length === 0 ? "The app has no connectors, and there are no files." : lines.join("\n");
  output.result({ directory, written, deleted, unchanged }, text);
}

const typesOf = ({ written, deleted, unchanged }: PullPlan) => ({
  written: written.map(({ type }) => type),
  deleted: deleted.map(({ type }) => type),
  unchanged,
});

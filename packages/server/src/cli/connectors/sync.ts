/**
 * `holdfast connectors pull|push`: the app's connectors as files. Both say what they are about to do before they replace or
 * delete something, and ask, or want `--yes`.
 */
import { resolve } from "node:path";
import type { Command } from "commander";
import { systemClock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { apiOf, AS, type AppFlags, type ConnectorsApi, type Declared } from "./api.ts";
import { applyPull, planPull, readConnectorFiles } from "./files.ts";
import { CONSENT_TTL_MS, waitForConsent } from "./consent.ts";
import { createOutput, type Output } from "../terminal/output.ts";
import { describePush, isDestructive, planPush, type PushStep } from "./push-plan.ts";
import { RemoteError } from "../remote/error.ts";
import { withApp } from "../remote/target.ts";
import { confirm, confirmOrYes, isInteractive, openBrowser } from "../terminal/terminal.ts";
import { wait } from "../terminal/wait.ts";

type Flags = AppFlags & { readonly dir: string; readonly yes?: boolean };

const DIRECTORY = ["--dir <directory>", "where the files are", "connectors"] as const;

export function syncCommands(connectors: Command): void {
  withApp(connectors.command("pull"))
    .description(
      "write the app's connectors to files, connectors/TYPE.jsonc, and delete files of connectors that it does not have",
    )
    .option(...DIRECTORY)
    .option("-y, --yes", "delete files without asking")
    .action(pull);
  withApp(connectors.command("push"))
    .description("make the app's connectors what the files say; exits 0 only if all of them are connected then")
    .option(...DIRECTORY)
    .option("-y, --yes", "replace scopes and remove connectors without asking")
    .option(...AS)
    .action(push);
}

async function pull(flags: Flags): Promise<void> {
  const directory = resolve(flags.dir);
  const list = await apiOf(flags).list();
  const plan = planPull(
    directory,
    list.map(({ integration_type, scopes }) => ({ type: integration_type, scopes })),
  );
  const output = createOutput(flags.json === true);
  if (plan.deleted.length > 0) {
    const paths = plan.deleted.map(({ path }) => path).join(", ");
    if (flags.yes !== true) output.note(`The app does not have these; they would be deleted: ${paths}`);
    if (!(await confirmOrYes(flags.yes === true, `Pulling would delete ${paths}.`))) return cancelled(output);
  }
  applyPull(directory, plan);
  const written = plan.written.map(({ type }) => type);
  const deleted = plan.deleted.map(({ type }) => type);
  const lines = [
    ...(written.length === 0 ? [] : [`Written: ${written.join(", ")}`]),
    ...(deleted.length === 0 ? [] : [`Deleted: ${deleted.join(", ")}`]),
    ...(plan.unchanged.length === 0 ? [] : [`Unchanged: ${plan.unchanged.join(", ")}`]),
  ];
  const text = lines.length === 0 ? "The app has no connectors, and there are no files." : lines.join("\n");
  output.result({ directory, written, deleted, unchanged: plan.unchanged }, text);
}

export type PushResult =
  | { readonly type: string; readonly action: "synced" | "removed" | "connected" }
  | {
      readonly type: string;
      readonly action: "needs_oauth";
      readonly redirect_url: string;
      readonly connection_id: string | null;
      readonly outcome: "open" | "refused";
    }
  | { readonly type: string; readonly action: "error"; readonly code: string; readonly error: string };

async function push(flags: Flags): Promise<void> {
  const directory = resolve(flags.dir);
  const files = readConnectorFiles(directory);
  const api = apiOf(flags);
  const output = createOutput(flags.json === true);
  const list = await api.list();
  const steps = planPush(
    files,
    list.map(({ integration_type, scopes }) => ({ type: integration_type, scopes })),
  );
  if (steps.length === 0)
    return output.result({ results: [] }, `There are no files in ${directory}, and the app has no connectors.`);
  output.note(describePush(steps));
  if (
    isDestructive(steps) &&
    !(await confirmOrYes(flags.yes === true, "This push replaces scopes or removes connectors."))
  )
    return cancelled(output);

  // One after the other: a server may limit how many consents are pending, and the order is that of the files.
  const results: PushResult[] = [];
  for (const step of steps) results.push(await apply(api, step));
  const final = output.json || !isInteractive() ? results : await connectNow(api, results, output);
  output.result({ results: final }, final.map(lineOf).join("\n"));
  if (final.some(({ action }) => action === "error" || action === "needs_oauth")) process.exitCode = 1;
}

async function apply(api: ConnectorsApi, { type, change, scopes }: PushStep): Promise<PushResult> {
  try {
    if (change === "removed") {
      await api.remove(type);
      return { type, action: "removed" };
    }
    return outcomeOf(type, await api.declare(type, { scopes, config: null }));
  } catch (error) {
    // One that fails must not keep the others from being pushed.
    if (error instanceof RemoteError) return { type, action: "error", code: error.refusal.code, error: error.message };
    if (error instanceof ApiError) return { type, action: "error", code: error.code, error: error.message };
    throw error;
  }
}

function outcomeOf(type: string, { already_authorized, redirect_url, connection_id }: Declared): PushResult {
  if (already_authorized || redirect_url === null) return { type, action: "synced" };
  return { type, action: "needs_oauth", redirect_url, connection_id, outcome: "open" };
}

async function connectNow(
  api: ConnectorsApi,
  results: readonly PushResult[],
  output: Output,
): Promise<readonly PushResult[]> {
  const pending = results.filter((result) => result.action === "needs_oauth");
  if (pending.length === 0) return results;
  output.note(pending.map((one) => `${one.type} needs a person's consent: ${one.redirect_url}`).join("\n"));
  if (!(await confirm("Open the browser for it now?"))) return results;
  const final: PushResult[] = [];
  for (const result of results) final.push(await connectOne(api, result, output));
  return final;
}

async function connectOne(api: ConnectorsApi, result: PushResult, output: Output): Promise<PushResult> {
  if (result.action !== "needs_oauth" || result.connection_id === null) return result;
  const { type, redirect_url, connection_id } = result;
  if (!(await openBrowser(redirect_url))) output.note(`No browser was found. Open it yourself: ${redirect_url}`);
  output.note(`Waiting until ${type} is connected (Ctrl-C gives up) …`);
  const status = await waitForConsent(api, type, connection_id, CONSENT_TTL_MS, { clock: systemClock, wait });
  if (status === "ACTIVE") return { type, action: "connected" };
  return { ...result, outcome: status === "FAILED" ? "refused" : "open" };
}

function lineOf(result: PushResult): string {
  switch (result.action) {
    case "synced":
      return `${result.type}: in step`;
    case "removed":
      return `${result.type}: removed`;
    case "connected":
      return `${result.type}: connected`;
    case "needs_oauth":
      return result.outcome === "refused"
        ? `${result.type}: the consent was refused or failed. Push again for a new link.`
        : `${result.type}: needs a person's consent: ${result.redirect_url}`;
    case "error":
      return `${result.type}: failed: ${result.error} (${result.code})`;
  }
}

function cancelled(output: Output): void {
  output.result({ status: "cancelled" }, "Nothing was done.");
  process.exitCode = 1;
}

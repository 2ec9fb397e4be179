/**
 * `holdfast connectors push`: makes the app's connectors match the files. Prints the changes first.
 * Asks before it replaces scopes or removes a connector, or requires `--yes`.
 */
import { resolve } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { RemoteError } from "../remote/error.ts";
import { createOutput, reportCancelled, type Output } from "../terminal/output.ts";
import { confirm, confirmOrYes, isInteractive } from "../terminal/ask.ts";
import { openBrowser } from "../terminal/browser.ts";
import { wait } from "../terminal/wait.ts";
import type { ConnectorsApi, Declared } from "./api.ts";
import { CONSENT_TTL_MS, waitForConsent } from "./consent.ts";
import { readConnectorFiles, type DeclaredConnector } from "./files.ts";
import { withConnectors } from "./open.ts";
import type { SyncFlags } from "./pull.ts";
import { describePush, isDestructive, planPush, type PushStep } from "./push-plan.ts";

type PushResult =
  | { readonly type: string; readonly action: "synced" | "removed" | "connected" }
  | {
      readonly type: string;
      readonly action: "needs_oauth";
      readonly redirect_url: string;
      readonly connection_id: string | null;
      readonly outcome: "open" | "refused";
    }
  | { readonly type: string; readonly action: "error"; readonly code: string; readonly error: string };

export async function push(flags: SyncFlags): Promise<void> {
  const directory = resolve(flags.dir);
  const files = readConnectorFiles(directory);
  const output = createOutput(flags.json === true);
  const results = await withConnectors(flags, (api) => pushFiles(api, files, flags.yes === true, output));
  if (results === null) return reportCancelled(output);
  const text =
    results.length === 0
      ? `There are no files in ${directory}, and the app has no connectors.`
      : results.map(lineOf).join("\n");
  output.result({ results }, text);
  if (results.some(({ action }) => action === "error" || action === "needs_oauth")) process.exitCode = 1;
}

/** Returns null when the user declines. */
async function pushFiles(
  api: ConnectorsApi,
  files: readonly DeclaredConnector[],
  yes: boolean,
  output: Output,
): Promise<readonly PushResult[] | null> {
  const list = await api.list();
  const steps = planPush(
    files,
    list.map(({ integration_type, scopes }) => ({ type: integration_type, scopes })),
  );
  if (steps.length === 0) return [];
  output.note(describePush(steps));
  const question = "This push replaces scopes or removes connectors.";
  if (isDestructive(steps) && !(await confirmOrYes(yes, question))) return null;
  // One at a time, in the order of the files: a server can limit how many consents are pending.
  const results: PushResult[] = [];
  for (const step of steps) results.push(await apply(api, step));
  return output.json || !isInteractive() ? results : connectPending(api, results, output);
}

async function apply(api: ConnectorsApi, { type, change, scopes }: PushStep): Promise<PushResult> {
  try {
    if (change === "removed") {
      await api.remove(type);
      return { type, action: "removed" };
    }
    return outcomeOf(type, await api.declare(type, { scopes, config: null }));
  } catch (error) {
    // A connector that fails must not stop the others.
    if (error instanceof RemoteError) return { type, action: "error", code: error.refusal.code, error: error.message };
    if (error instanceof CodedError) return { type, action: "error", code: error.code, error: error.message };
    throw error;
  }
}

function outcomeOf(type: string, { already_authorized, redirect_url, connection_id }: Declared): PushResult {
  if (already_authorized || redirect_url === null) return { type, action: "synced" };
  return { type, action: "needs_oauth", redirect_url, connection_id, outcome: "open" };
}

async function connectPending(
  api: ConnectorsApi,
  results: readonly PushResult[],
  output: Output,
): Promise<readonly PushResult[]> {
  const pending = results.filter((result) => result.action === "needs_oauth");
  if (pending.length === 0) return results;
  output.note(pending.map((one) => `${one.type} needs your consent: ${one.redirect_url}`).join("\n"));
  if (!(await confirm("Open the browser now?"))) return results;
  const final: PushResult[] = [];
  for (const result of results) final.push(await connect(api, result, output));
  return final;
}

async function connect(api: ConnectorsApi, result: PushResult, output: Output): Promise<PushResult> {
  if (result.action !== "needs_oauth" || result.connection_id === null) return result;
  const { type, redirect_url, connection_id } = result;
  if (!(await openBrowser(redirect_url))) output.note(`No browser was found. Open the link yourself: ${redirect_url}`);
  output.note(`Waiting for ${type} to be connected (Ctrl-C to stop) …`);
  const status = await waitForConsent(api, type, connection_id, CONSENT_TTL_MS, { clock: systemClock, wait });
  if (status === "ACTIVE") return { type, action: "connected" };
  return { ...result, outcome: status === "FAILED" ? "refused" : "open" };
}

function lineOf(result: PushResult): string {
  switch (result.action) {
    case "synced":
      return `${result.type}: up to date`;
    case "removed":
      return `${result.type}: removed`;
    case "connected":
      return `${result.type}: connected`;
    case "needs_oauth":
      return result.outcome === "refused"
        ? `${result.type}: the consent was denied or failed. Push again for a new link.`
        : `${result.type}: needs your consent: ${result.redirect_url}`;
    case "error":
      return `${result.type}: failed: ${result.error} (${result.code})`;
  }
}

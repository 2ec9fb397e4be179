/**
 * `holdfast connectors initiate|wait`: prints a link that connects an account, and waits until the
 * account is connected.
 */
import type { Command } from "commander";
import { systemClock } from "../../../core/clock.ts";
import { CodedError } from "../../../core/errors.ts";
import { configFlag } from "../../connectors/config-flag.ts";
import { CONSENT_TTL_MS, waitForConsent } from "../../connectors/consent.ts";
import { AS, withConnectors, type AppFlags } from "../../connectors/open.ts";
import { withApp } from "../../remote/target.ts";
import { createOutput } from "../../terminal/output.ts";
import { wait } from "../../terminal/wait.ts";

interface InitiateFlags extends AppFlags {
  readonly scopes?: string[];
  readonly config?: string[];
  readonly forceReconnect?: boolean;
}

interface WaitFlags extends AppFlags {
  readonly connectionId: string;
  readonly timeoutS?: number;
}

export function consentCommands(connectors: Command): void {
  initiateCommand(connectors);
  waitCommand(connectors);
}

function initiateCommand(connectors: Command): void {
  withApp(connectors.command("initiate <type>"))
    .description("print a link that connects an account, to open while signed in to the server")
    .option("--scopes <scopes...>", "the scopes to request, replacing the present ones (default: the catalog's)")
    .option("--config <name=value...>", "connection settings, such as subdomain=acme")
    .option("--force-reconnect", "require a new consent, even in place of another builder's account")
    .option(...AS)
    .action(initiate);
}

async function initiate(integration_type: string, flags: InitiateFlags): Promise<void> {
  const declaration = {
    scopes: (flags.scopes ?? []).flatMap((text) => text.split(/[\s,]+/)).filter((scope) => scope !== ""),
    config: configFlag(flags.config),
    force_reconnect: flags.forceReconnect === true,
  };
  const declared = await withConnectors(flags, (api) => api.declare(integration_type, declaration));
  const output = createOutput(flags.json === true);
  const { redirect_url, connection_id } = declared;
  output.result(declared, redirect_url ?? `${integration_type} is already connected with these scopes.`);
  if (redirect_url !== null && connection_id !== null && !output.json)
    output.note(
      `To wait until it is connected: holdfast connectors wait ${integration_type} --connection-id ${connection_id} --app ${flags.app}`,
    );
}

function waitCommand(connectors: Command): void {
  const default_s = CONSENT_TTL_MS / 1000;
  withApp(connectors.command("wait <type>"))
    .description("wait until the account of a connect link is connected (exits 1 if the consent is denied or too late)")
    .requiredOption("--connection-id <id>", "the id that initiate or push printed with the link")
    .option(...AS)
    .option("--timeout-s <seconds>", `how long to wait (default ${default_s}, the lifetime of a link)`, seconds)
    .action(waitUntilConnected);
}

async function waitUntilConnected(integration_type: string, flags: WaitFlags): Promise<void> {
  const limit_ms = flags.timeoutS === undefined ? CONSENT_TTL_MS : flags.timeoutS * 1000;
  const deps = { clock: systemClock, wait };
  const status = await withConnectors(flags, (api) =>
    waitForConsent(api, integration_type, flags.connectionId, limit_ms, deps),
  );
  const text = {
    ACTIVE: `${integration_type} is connected.`,
    FAILED: `${integration_type} is not connected: the consent was denied, failed or came too late. For a new link: holdfast connectors initiate ${integration_type} --app ${flags.app}`,
    PENDING: `${integration_type} is not connected yet. The link may still be valid: wait again, or create a new one.`,
  };
  createOutput(flags.json === true).result({ integration_type, status }, text[status]);
  if (status !== "ACTIVE") process.exitCode = 1;
}

function seconds(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new CodedError("usage", { message: "--timeout-s takes a whole number of seconds from 1 to 99999." });
}

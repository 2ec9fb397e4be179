/** `holdfast connectors …`: an app's connectors, on the server's machine and from elsewhere. Pull and push: connectors-sync.ts. */
import type { Command } from "commander";
import { loadClientSettings } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { loadCatalog } from "../connectors/catalog.ts";
import { configFlag } from "../connectors/config-flag.ts";
import { apiOf, AS, type AppFlags, type ListedConnector } from "../connectors/api.ts";
import { syncCommands } from "../connectors/sync.ts";
import { CONSENT_TTL_MS, waitForConsent } from "../connectors/consent.ts";
import { createOutput, table } from "../terminal/output.ts";
import { providerSummary } from "./providers.ts";
import { withApp, withTarget, type TargetFlags } from "../remote/target.ts";
import { wait } from "../terminal/wait.ts";

export function connectorCommands(program: Command): void {
  const connectors = program
    .command("connectors")
    .description("list, connect, check, disconnect and remove the services that an app uses");
  listAvailable(connectors);
  list(connectors);
  initiate(connectors);
  waitCommand(connectors);
  syncCommands(connectors);
  check(connectors);
  disconnect(connectors);
  remove(connectors);
}

function listAvailable(connectors: Command): void {
  withTarget(connectors.command("list-available"))
    .description("list the services that can be connected (with --app: the ones its server offers)")
    .option("--app <app>", "the app's id; env: HOLDFAST_APP_ID")
    .action(async (flags: TargetFlags & { json?: boolean; app?: string }) => {
      const app = flags.app ?? loadClientSettings().app_id;
      const integrations = app === null ? await catalog() : await apiOf({ ...flags, app }).available();
      createOutput(flags.json === true).result(
        { integrations },
        table(
          ["service", "name", "what it is"],
          integrations.map((one) => [one.integration_type, one.display_name, one.description]),
        ),
      );
    });
}

const catalog = async () =>
  (await loadCatalog()).all().map((provider) => ({ integration_type: provider.id, ...providerSummary(provider) }));

function list(connectors: Command): void {
  withApp(connectors.command("list"))
    .description("list the connections of an app")
    .action(async (flags: AppFlags) => {
      const integrations = await apiOf(flags).list();
      const text = table(
        ["service", "status", "account", "reason"],
        integrations.map((one) => [
          one.integration_type,
          one.status,
          one.account_label ?? one.user_email ?? "-",
          one.reason ?? "",
        ]),
        `Nothing is connected yet. holdfast connectors initiate TYPE --app ${flags.app} prints a link that connects an account.`,
      );
      createOutput(flags.json === true).result({ integrations }, text);
    });
}

interface InitiateFlags extends AppFlags {
  readonly scopes?: string[];
  readonly config?: string[];
  readonly forceReconnect?: boolean;
}

function initiate(connectors: Command): void {
  withApp(connectors.command("initiate <type>"))
    .description("print a link that connects an account; open it signed in to the server")
    .option("--scopes <scopes...>", "the scopes to have, instead of the present ones (default: the catalog's)")
    .option("--config <name=value...>", "connection settings, such as subdomain=acme")
    .option("--force-reconnect", "ask for a new consent in any case, also in place of another person's account")
    .option(...AS)
    .action(async (integration_type: string, flags: InitiateFlags) => {
      const scopes = (flags.scopes ?? []).flatMap((text) => text.split(/[\s,]+/)).filter((scope) => scope !== "");
      const declared = await apiOf(flags).declare(integration_type, {
        scopes,
        config: configFlag(flags.config),
        force_reconnect: flags.forceReconnect === true,
      });
      const output = createOutput(flags.json === true);
      output.result(declared, declared.redirect_url ?? `${integration_type} is connected already, with these scopes.`);
      if (declared.redirect_url !== null && declared.connection_id !== null && !output.json)
        output.note(
          `To wait until it is connected: holdfast connectors wait ${integration_type} --connection-id ${declared.connection_id} --app ${flags.app}`,
        );
    });
}

function waitCommand(connectors: Command): void {
  withApp(connectors.command("wait <type>"))
    .description("wait until the account of a connect link is connected; exits 1 if it was refused or nobody came")
    .requiredOption("--connection-id <id>", "what initiate or push printed with the link")
    .option(...AS)
    .option("--timeout-s <seconds>", `how long to wait (default ${CONSENT_TTL_MS / 1000}, the life of a link)`, seconds)
    .action(async (integration_type: string, flags: AppFlags & { connectionId: string; timeoutS?: number }) => {
      const limit_ms = (flags.timeoutS ?? CONSENT_TTL_MS / 1000) * 1000;
      const deps = { clock: systemClock, wait };
      const status = await waitForConsent(apiOf(flags), integration_type, flags.connectionId, limit_ms, deps);
      const text = {
        ACTIVE: `${integration_type} is connected.`,
        FAILED: `${integration_type} was not connected: the consent was refused, failed or came too late. For a new link: holdfast connectors initiate ${integration_type} --app ${flags.app}`,
        PENDING: `Nobody has connected ${integration_type} yet. The link may still be good: wait again, or make a new one.`,
      };
      createOutput(flags.json === true).result({ integration_type, status }, text[status]);
      if (status !== "ACTIVE") process.exitCode = 1;
    });
}

function check(connectors: Command): void {
  withApp(connectors.command("check [types...]"))
    .description("tell whether connections work (default: all of the app's); exits 1 if one does not")
    .action(async (types: readonly string[], flags: AppFlags) => {
      const found = await apiOf(flags).list();
      const named = types.length === 0 ? found.map((one) => one.integration_type) : types;
      const checked = named.map((type) =>
        health(
          type,
          found.find((one) => one.integration_type === type),
        ),
      );
      createOutput(flags.json === true).result(
        { connectors: checked },
        table(
          ["service", "works", "why not, or what is missing"],
          checked.map(({ integration_type, works, problem }) => [
            integration_type,
            works ? "yes" : "no",
            problem ?? "",
          ]),
          "The app has no connectors.",
        ),
      );
      if (checked.some(({ works }) => !works)) process.exitCode = 1;
    });
}

interface Health {
  readonly integration_type: string;
  readonly works: boolean;
  readonly status: string;
  readonly problem: string | null;
}

/** Scopes that were asked for and not granted do not make a connection useless: calls that need none of them work. */
function health(integration_type: string, found: ListedConnector | undefined): Health {
  if (found === undefined) return { integration_type, works: false, status: "absent", problem: "never connected" };
  const { status, reason, missing_scopes } = found;
  const works = status === "active";
  const missing = missing_scopes.length === 0 ? null : `not granted: ${missing_scopes.join(" ")}`;
  return { integration_type, works, status, problem: works ? missing : (reason ?? status) };
}

function disconnect(connectors: Command): void {
  withApp(connectors.command("disconnect <type>"))
    .description("forget the tokens of a connection; the running server revokes them")
    .action(async (integration_type: string, flags: AppFlags) => {
      await apiOf(flags).disconnect(integration_type);
      const value = { status: "disconnected", integration_type };
      createOutput(flags.json === true).result(value, `Disconnected ${integration_type}.`);
    });
}

function remove(connectors: Command): void {
  withApp(connectors.command("remove <type>"))
    .description("disconnect a service and forget that the app used it")
    .action(async (integration_type: string, flags: AppFlags) => {
      await apiOf(flags).remove(integration_type);
      createOutput(flags.json === true).result({ status: "removed", integration_type }, `Removed ${integration_type}.`);
    });
}

function seconds(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw new ApiError("usage", { message: "--timeout-s takes a whole number of seconds from 1 to 99999." });
  return Number(text);
}

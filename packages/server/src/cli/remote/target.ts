/**
 * Chooses the server of a command. On the server's machine a command opens the data, without a
 * login. From another machine it calls a server.
 *
 * An explicit name wins: `--server` (or its variable), or `--data-dir`. Then data in this
 * directory. Then the login.
 */
import { existsSync } from "node:fs";
import { Option, type Command } from "commander";
import { loadClientSettings, type ClientSettings } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { parseCredential } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import { DATA_DIR, type LocalFlags } from "./local.ts";
import { createSession } from "./login-session.ts";
import { createLoginStore } from "./login-store.ts";
import { createRemote, type Credential, type Remote } from "./remote.ts";
import { wait } from "../terminal/wait.ts";

export interface TargetFlags extends LocalFlags {
  readonly server?: string;
}

export type Target =
  | { readonly kind: "local"; readonly flags: LocalFlags }
  | { readonly kind: "remote"; readonly remote: Remote };

const DEFAULT_DATA_DIR = ".holdfast";
/** Over http to another machine, every network on the way can read the credential. */
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

const SERVER = [
  "--server <address>",
  "a server on another machine (default: the data on this machine, else the login; env: HOLDFAST_SERVER_URL)",
] as const;

export const SERVER_OF_LOGIN = [
  "--server <address>",
  "the server (default: the one you last signed in to; env: HOLDFAST_SERVER_URL)",
] as const;

/** Adds the option of a command that needs a running server. */
export function withServer(command: Command): Command {
  return command.option(...SERVER_OF_LOGIN);
}

/** Adds the options of a command that works here and from another machine. */
export function withTarget(command: Command): Command {
  return command.option(...SERVER).option(...DATA_DIR);
}

/** Adds these options and `--app`. */
export function withApp(command: Command): Command {
  return withTarget(
    command.addOption(new Option("--app <app>", "the app's id or name").env("HOLDFAST_APP_ID").makeOptionMandatory()),
  );
}

export function resolveTarget(flags: TargetFlags, settings: ClientSettings = loadClientSettings()): Target {
  if (flags.server !== undefined && flags.dataDir !== undefined) {
    const message = "--server names a server on another machine, --data-dir data on this machine. Use one of them.";
    throw new CodedError("usage", { message });
  }
  const local: Target = { kind: "local", flags };
  if (flags.dataDir !== undefined) return local;
  const named = flags.server ?? settings.server_url;
  if (named !== null) return { kind: "remote", remote: remoteAt(parseServerUrl(named), settings) };
  if (settings.names_data || existsSync(DEFAULT_DATA_DIR)) return local;
  const current = createLoginStore(settings.config_dir).current();
  if (current !== null) return { kind: "remote", remote: remoteAt(current, settings) };
  const message =
    settings.api_key === null
      ? "This directory has no server data, and you are not signed in. On the server's machine: name the data with --data-dir DIRECTORY. From another machine: holdfast login --server URL"
      : "HOLDFAST_API_KEY is set, but no server. Name the server: --server URL, or HOLDFAST_SERVER_URL.";
  throw new CodedError(settings.api_key === null ? "not_signed_in" : "usage", { message });
}

/**
 * Returns the server of a command that needs a running one: the named one, else that of the login.
 * Ignores data in this directory.
 */
export function resolveRemote({ server }: TargetFlags, settings: ClientSettings = loadClientSettings()): Remote {
  const named = server ?? settings.server_url ?? createLoginStore(settings.config_dir).current();
  if (named !== null) return remoteAt(parseServerUrl(named), settings);
  const message =
    "This command needs a running server and a login. Sign in: holdfast login --server URL. Or name the server (--server URL) and set HOLDFAST_API_KEY.";
  throw new CodedError("not_signed_in", { message });
}

/**
 * Returns the server with the credential of this machine: the API key if one is set, else the
 * login.
 */
function remoteAt(server_url: string, settings: ClientSettings): Remote {
  const anonymous = createRemote({ server_url, credential: null });
  if (settings.api_key !== null) return anonymous.withCredential(keyCredential(settings.api_key));
  const store = createLoginStore(settings.config_dir);
  return anonymous.withCredential(createSession({ store, remote: anonymous, clock: systemClock, wait }));
}

function keyCredential(api_key: Secret): Credential {
  keyId(api_key);
  return {
    advice:
      "The API key is from HOLDFAST_API_KEY. Check that it belongs to this server and is neither revoked nor expired.",
    header: () => Promise.resolve(["api_key", api_key]),
    refused: () => Promise.resolve(false),
  };
}

/** Returns the part of a key that is not secret. */
export function keyId(api_key: Secret): string {
  const parsed = parseCredential(api_key.expose());
  if (parsed?.prefix === "b44k") return `b44k_${parsed.id}`;
  const message =
    parsed === null
      ? "HOLDFAST_API_KEY is not an API key. A key starts with b44k_. Check that you copied all of it."
      : "HOLDFAST_API_KEY is a service token (hfs_…), which is for an app's backend. Commands need an API key (b44k_…).";
  throw new CodedError("usage", { message });
}

export function parseServerUrl(text: string): string {
  const example = "Example: --server https://connect.example.com";
  const url = URL.canParse(text) ? new URL(text) : null;
  const is_http = url !== null && ["http:", "https:"].includes(url.protocol);
  if (
    url === null ||
    !is_http ||
    url.username !== "" ||
    url.password !== "" ||
    url.pathname !== "/" ||
    url.search !== ""
  )
    throw new CodedError("usage", {
      message: `The server's address must be an origin, without a path or user. ${example}`,
    });
  if (url.protocol === "http:" && !LOOPBACK.has(url.hostname)) {
    const message = `${url.origin} is plain http, so any network on the way could read the credential. Use https. ${example}`;
    throw new CodedError("usage", { message });
  }
  return url.origin;
}

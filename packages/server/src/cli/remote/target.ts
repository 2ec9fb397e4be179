/**
 * Which server a command is about. On the server's own machine it opens the data, without a login; from elsewhere it talks to
 * a server. Named explicitly wins: `--server` (or its variable) or `--data-dir`; then data that lies here; then the login.
 */
import { existsSync } from "node:fs";
import { Option, type Command } from "commander";
import { loadClientSettings, type ClientSettings } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
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
/** Over http to another machine, everybody on the way reads the credential. */
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

const SERVER = [
  "--server <address>",
  "a server that runs elsewhere (default: the data on this machine, else the login; env: HOLDFAST_SERVER_URL)",
] as const;

/** The option of a command that only a running server does. */
export function withServer(command: Command): Command {
  return command.option(
    "--server <address>",
    "the server (default: the one signed in to last; env: HOLDFAST_SERVER_URL)",
  );
}

/** The options of a command that works here and from elsewhere. */
export function withTarget(command: Command): Command {
  return command.option(...SERVER).option(...DATA_DIR);
}

/** `app` is then in the flags. */
export function withApp(command: Command): Command {
  return withTarget(
    command.addOption(new Option("--app <app>", "the app's id").env("HOLDFAST_APP_ID").makeOptionMandatory()),
  );
}

export function resolveTarget(flags: TargetFlags, settings: ClientSettings = loadClientSettings()): Target {
  if (flags.server !== undefined && flags.dataDir !== undefined) {
    const message = "--server names a server elsewhere, --data-dir data on this machine. Say one of them.";
    throw new ApiError("usage", { message });
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
      ? "There is no server's data in this directory, and nobody is signed in. On the server's machine: name its directory with --data-dir. From elsewhere: holdfast login --server URL"
      : "HOLDFAST_API_KEY is set, but no server. Name it: --server URL, or HOLDFAST_SERVER_URL.";
  throw new ApiError(settings.api_key === null ? "not_signed_in" : "usage", { message });
}

/** For what only a running server does: the server that is named, else that of the login. Data that lies here is not asked. */
export function resolveRemote({ server }: TargetFlags, settings: ClientSettings = loadClientSettings()): Remote {
  const named = server ?? settings.server_url ?? createLoginStore(settings.config_dir).current();
  if (named !== null) return remoteAt(parseServerUrl(named), settings);
  const message =
    "This command talks to a running server, as somebody. Sign in: holdfast login --server URL. Or name the server (--server URL) and set HOLDFAST_API_KEY.";
  throw new ApiError("not_signed_in", { message });
}

/** A server as whoever is set up here: the API key, if there is one, else the login. */
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
      "The API key comes from HOLDFAST_API_KEY: check that it is of this server, and neither revoked nor expired.",
    header: () => Promise.resolve(["api_key", api_key]),
    refused: () => Promise.resolve(false),
  };
}

/** The part of a key that is no secret. */
export function keyId(api_key: Secret): string {
  const parsed = parseCredential(api_key.expose());
  if (parsed?.prefix === "b44k") return `b44k_${parsed.id}`;
  const message =
    parsed === null
      ? "HOLDFAST_API_KEY is not an API key: it starts with b44k_ and was perhaps copied in part."
      : "HOLDFAST_API_KEY holds a service token (hfs_…), which is for an app's backend. Commands take an API key (b44k_…).";
  throw new ApiError("usage", { message });
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
    throw new ApiError("usage", {
      message: `The server's address must be an origin, without path or user. ${example}`,
    });
  if (url.protocol === "http:" && !LOOPBACK.has(url.hostname)) {
    const message = `${url.origin} is plain http: everybody on the way could read the credential. Use https. ${example}`;
    throw new ApiError("usage", { message });
  }
  return url.origin;
}

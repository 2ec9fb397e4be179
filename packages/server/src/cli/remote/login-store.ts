/**
 * Stores logins in `credentials.json` (mode 0600, in a directory of 0700), one entry per server.
 * Replaces the file atomically. Calls no server.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../core/errno.ts";
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { instant, isJsonObject, type Instant } from "../../core/types.ts";
import { replaceFile } from "../../files/replace-file.ts";

export interface Login {
  readonly access_token: Secret;
  readonly refresh_token: Secret;
  /** Of the access token. */
  readonly expires_at: Instant;
  readonly email: string;
  readonly name: string;
}

export interface LoginStore {
  readonly directory: string;
  /** Returns the server of the latest login. */
  current(): string | null;
  find(server_url: string): Login | null;
  save(server_url: string, login: Login): void;
  remove(server_url: string): void;
}

interface Stored {
  readonly current: string | null;
  readonly servers: Readonly<Record<string, unknown>>;
}

const NOTHING: Stored = { current: null, servers: {} };

export function createLoginStore(directory: string): LoginStore {
  return {
    directory,
    current: () => read(directory).current,
    find: (server_url) => loginOf(read(directory).servers[server_url]),
    save: (server_url, login) => save(directory, server_url, login),
    remove: (server_url) => remove(directory, server_url),
  };
}

const pathIn = (directory: string): string => join(directory, "credentials.json");

function read(directory: string): Stored {
  const path = pathIn(directory);
  const text = readPrivate(path);
  if (text === null) return NOTHING;
  const stored = parse(text);
  if (isJsonObject(stored) && isJsonObject(stored["servers"]))
    return {
      current: typeof stored["current"] === "string" ? stored["current"] : null,
      servers: stored["servers"],
    };
  const message = `${path} is damaged. Delete it and sign in again: holdfast login.`;
  throw new CodedError("configuration", { message });
}

/** Returns null if there is no file. */
function readPrivate(path: string): string | null {
  try {
    const text = readFileSync(path, "utf8");
    // After a copy or a change of its mode, other users could read the tokens.
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
    return text;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw new CodedError("configuration", { message: `${path} cannot be read. Check who owns it.`, cause: error });
  }
}

function write(directory: string, stored: Stored): void {
  const path = pathIn(directory);
  if (Object.keys(stored.servers).length === 0) return rmSync(path, { force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  replaceFile(path, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
}

function save(directory: string, server_url: string, login: Login): void {
  const entry = {
    access_token: login.access_token.expose(),
    refresh_token: login.refresh_token.expose(),
    expires_at: login.expires_at,
    email: login.email,
    name: login.name,
  };
  write(directory, { current: server_url, servers: { ...read(directory).servers, [server_url]: entry } });
}

function remove(directory: string, server_url: string): void {
  const { current, servers } = read(directory);
  const { [server_url]: _removed, ...rest } = servers;
  write(directory, { current: current === server_url ? (Object.keys(rest)[0] ?? null) : current, servers: rest });
}

/** Returns null for an entry without all of its fields. The user then signs in again. */
function loginOf(entry: unknown): Login | null {
  if (!isJsonObject(entry)) return null;
  const { access_token, refresh_token, expires_at, email, name } = entry;
  if (!isString(access_token) || !isString(refresh_token) || !isString(email) || !isString(name)) return null;
  if (typeof expires_at !== "number") return null;
  return {
    access_token: new Secret(access_token),
    refresh_token: new Secret(refresh_token),
    expires_at: instant(expires_at),
    email,
    name,
  };
}

const isString = (value: unknown): value is string => typeof value === "string";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Where logins are kept: `credentials.json` (0600, in a directory of 0700), one entry per server. Written to a file beside it
 * and renamed, so that a crash leaves the old file or the new one. Knows no server.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../core/errno.ts";
import { ApiError } from "../../core/errors.ts";
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
  /** The server that was last logged in to. */
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
  const path = join(directory, "credentials.json");

  function read(): Stored {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
      // Somebody copied it or changed its mode: what others could read must not stay readable.
      if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return NOTHING;
      throw new ApiError("configuration", { message: `${path} cannot be read. Check whose file it is.`, cause: error });
    }
    const stored = parse(text);
    if (!isJsonObject(stored) || !isJsonObject(stored["servers"])) {
      const message = `${path} is damaged. Delete it and sign in again: holdfast login.`;
      throw new ApiError("configuration", { message });
    }
    return {
      current: typeof stored["current"] === "string" ? stored["current"] : null,
      servers: stored["servers"],
    };
  }

  function write(stored: Stored): void {
    if (Object.keys(stored.servers).length === 0) return rmSync(path, { force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    replaceFile(path, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
  }

  return {
    directory,
    current: () => read().current,
    find: (server_url) => loginOf(read().servers[server_url]),
    save(server_url, login) {
      const entry = {
        access_token: login.access_token.expose(),
        refresh_token: login.refresh_token.expose(),
        expires_at: login.expires_at,
        email: login.email,
        name: login.name,
      };
      write({ current: server_url, servers: { ...read().servers, [server_url]: entry } });
    },
    remove(server_url) {
      const { current, servers } = read();
      const { [server_url]: _gone, ...rest } = servers;
      write({ current: current === server_url ? (Object.keys(rest)[0] ?? null) : current, servers: rest });
    },
  };
}

/** Returns null for an entry without all of its fields: the user signs in again. */
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

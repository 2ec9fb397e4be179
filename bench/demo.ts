/** A demo server in its own process with a connected service, and calls to its API. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../packages/server/bin/holdfast.js", import.meta.url));

interface App {
  readonly app_id: string;
  readonly api_key: string;
}

export interface Demo {
  readonly app: App;
  /** An app of the same workspace. */
  readonly other_app: App;
  /** Deploys a single-file function. */
  deploy(app: App, function_name: string, code: string): Promise<void>;
  /** Calls a function and reads its reply. */
  call(app: App, function_name: string): Promise<void>;
  /** Reads a token of `app`. */
  getConnection(): Promise<void>;
  stop(): Promise<void>;
}

export async function startDemo(): Promise<Demo> {
  const child = spawn(process.execPath, [LAUNCHER, "demo", "--auto", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { server_url, app_id, api_key, service_token, workspace_id } = JSON.parse(String(line));
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    json?: unknown,
  ): Promise<string> => {
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const reply = await fetch(`${server_url}${path}`, {
      method,
      headers: { ...headers, ...(json === undefined ? {} : { "content-type": "application/json" }) },
      ...body,
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path} returned ${reply.status}: ${text}`);
    return text;
  };
  const created = await send("POST", "/api/management/apps", { api_key }, { name: "other", workspace_id });
  const deployPath = (app: App, name: string): string => `/api/apps/${app.app_id}/backend-functions/${name}`;
  return {
    app: { app_id, api_key },
    other_app: { app_id: JSON.parse(created).app_id, api_key },
    deploy: async (app, name, content) => {
      const files = [{ path: "entry.ts", content }];
      await send("PUT", deployPath(app, name), { api_key }, { entry: "entry.ts", files });
    },
    call: async (app, name) => void (await send("POST", `/api/apps/${app.app_id}/functions/${name}`, {}, {})),
    getConnection: async () => {
      const headers = { authorization: `Bearer ${service_token}` };
      await send("GET", `/api/apps/${app_id}/external-auth/tokens/slack`, headers);
    },
    stop: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Returns a percentile in ms, with two digits. */
export function percentile(times: readonly number[], percent: number): string {
  const sorted = times.toSorted((left, right) => left - right);
  return (sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0).toFixed(2);
}

/** An app's functions and secrets on a server, over the contract's routes and our own. */
import type { Secret } from "../../core/secret.ts";
import type { Remote } from "../remote/remote.ts";
import type { Deployed, Deployment, FunctionsApi } from "./api.ts";

/** A deployment fetches the packages that the function imports. The server allows a minute. */
const DEPLOY_TIMEOUT_MS = 180_000;

export function remoteFunctions(remote: Remote, app: string): FunctionsApi {
  const base = `/api/apps/${encodeURIComponent(app)}`;
  const managed = `/api/management/apps/${encodeURIComponent(app)}`;
  const functionOf = (name: string): string => `${base}/backend-functions/${encodeURIComponent(name)}`;
  const versionsOf = (name: string): string => `${managed}/functions/${encodeURIComponent(name)}`;
  return {
    deploy: (name, deployment) => deploy(remote, functionOf(name), deployment),
    list: async () => (await remote.call({ method: "GET", path: `${base}/backend-functions` }, "functions")).functions,
    schedules: async () => (await remote.call({ method: "GET", path: `${managed}/schedules` }, "schedules")).schedules,
    versions: async (name) =>
      (await remote.call({ method: "GET", path: `${versionsOf(name)}/versions` }, "function_versions")).versions,
    rollback: (name, to) => rollback(remote, `${versionsOf(name)}/rollback`, to),
    remove: (name) => remote.send({ method: "DELETE", path: functionOf(name) }),
    setSecrets: (values) => setSecrets(remote, `${base}/secrets`, values),
    listSecrets: async () => Object.keys(await remote.call({ method: "GET", path: `${base}/secrets` }, "secrets")),
    removeSecret: (name) => removeSecret(remote, `${base}/secrets`, name),
  };
}

function deploy(remote: Remote, path: string, deployment: Deployment): Promise<Deployed> {
  return remote.call({ method: "PUT", path, json: deployment, timeout_ms: DEPLOY_TIMEOUT_MS }, "deployed");
}

async function rollback(remote: Remote, path: string, to: number | null): Promise<number> {
  const { version } = await remote.call({ method: "POST", path, json: to === null ? {} : { to } }, "rolled_back");
  return version;
}

async function setSecrets(remote: Remote, path: string, values: Readonly<Record<string, Secret>>): Promise<void> {
  const json = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.expose()]));
  await remote.send({ method: "POST", path, json });
}

async function removeSecret(remote: Remote, path: string, name: string): Promise<boolean> {
  const query = new URLSearchParams({ secret_name: name }).toString();
  return (await remote.call({ method: "DELETE", path: `${path}?${query}` }, "success")).success;
}

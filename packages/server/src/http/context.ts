/** The services that routes can use. Excludes the store, the vault and the providers' protocols. */
import type { Config } from "../config.ts";
import type { FunctionRunner } from "../runner/functions.ts";
import type { Ground } from "../service/ground.ts";
import type { Services } from "../service/services.ts";

type Used =
  | "audit"
  | "credentials"
  | "accounts"
  | "authorization"
  | "workspaces"
  | "apiKeys"
  | "apps"
  | "appUsers"
  | "appProfiles"
  | "clients"
  | "consents"
  | "governance"
  | "connections"
  | "connect"
  | "callback"
  | "device"
  | "cliSessions"
  | "functionLogs"
  | "functions"
  | "appSecrets";

export interface HttpContext extends Pick<Ground, "catalog" | "urls" | "clock" | "log">, Pick<Services, Used> {
  readonly config: Config;
  /** Null when this server runs no functions. */
  readonly functionRunner: FunctionRunner | null;
  /** Reports whether database, keys and migrations are in order. */
  readonly ready: () => Promise<boolean>;
}

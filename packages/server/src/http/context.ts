/** What routes may use. Routes know services and schemas; they never see the store, the vault or a provider's protocol. */
import type { Config } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import type { FunctionRunner } from "../runner/functions.ts";
import type { Administrator } from "../service/administrator.ts";
import type { Apps } from "../service/apps.ts";
import type { Audit } from "../service/audit.ts";
import type { Callback } from "../service/callback.ts";
import type { OAuthClients } from "../service/clients.ts";
import type { ConnectFlow } from "../service/connect.ts";
import type { Connections } from "../service/connections.ts";
import type { Credentials } from "../service/credentials.ts";
import type { Urls } from "../service/urls.ts";
import type { Catalog } from "../providers/index.ts";
import type { Log } from "../telemetry/log.ts";

export interface HttpContext {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly urls: Urls;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Audit;
  readonly credentials: Credentials;
  readonly administrator: Administrator;
  readonly apps: Apps;
  readonly clients: OAuthClients;
  readonly connections: Connections;
  readonly connect: ConnectFlow;
  readonly callback: Callback;
  /** Null: this server runs no functions. */
  readonly functions: FunctionRunner | null;
  /** Whether database, keys and migrations are in order. */
  readonly ready: () => Promise<boolean>;
}

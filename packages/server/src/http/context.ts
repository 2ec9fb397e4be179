/** What routes may use. Routes know services and schemas; they never see the store, the vault or a provider's protocol. */
import type { Config } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import type { FunctionRunner } from "../runner/functions.ts";
import type { Accounts } from "../service/accounts/accounts.ts";
import type { ApiKeys } from "../service/access/api-keys.ts";
import type { AppProfiles } from "../service/apps/profiles.ts";
import type { Apps } from "../service/apps/apps.ts";
import type { Audit } from "../service/audit.ts";
import type { Authorization } from "../service/access/authorization.ts";
import type { Callback } from "../service/consent/callback.ts";
import type { OAuthClients } from "../service/grants/clients.ts";
import type { ConnectFlow } from "../service/consent/connect.ts";
import type { CliSessions } from "../service/access/cli-sessions.ts";
import type { Governance } from "../service/apps/governance.ts";
import type { Consents } from "../service/consent/consent.ts";
import type { Connections } from "../service/connections/connections.ts";
import type { Credentials } from "../service/access/credentials.ts";
import type { Device } from "../service/access/device.ts";
import type { Urls } from "../service/urls.ts";
import type { Workspaces } from "../service/accounts/workspaces.ts";
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
  readonly accounts: Accounts;
  readonly authorization: Authorization;
  readonly workspaces: Workspaces;
  readonly apiKeys: ApiKeys;
  readonly apps: Apps;
  readonly appProfiles: AppProfiles;
  readonly clients: OAuthClients;
  readonly consents: Consents;
  readonly governance: Governance;
  readonly connections: Connections;
  readonly connect: ConnectFlow;
  readonly callback: Callback;
  readonly device: Device;
  readonly cliSessions: CliSessions;
  /** Null: this server runs no functions. */
  readonly functions: FunctionRunner | null;
  /** Whether database, keys and migrations are in order. */
  readonly ready: () => Promise<boolean>;
}

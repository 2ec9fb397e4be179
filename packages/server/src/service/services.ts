/**
 * Builds every service, once. The server, the commands on the server's machine and the simulation
 * of the refresh engine all use these functions. Starts nothing: app.ts starts timers and loops.
 */
import { createApiKeys } from "./access/api-keys.ts";
import { createAuthorization } from "./access/authorization.ts";
import { createCliSessions } from "./access/cli-sessions.ts";
import { createCredentials } from "./access/credentials.ts";
import { createDevice } from "./access/device.ts";
import { createFunctionTokens } from "./access/function-tokens.ts";
import { createRateLimits } from "./access/rate-limits.ts";
import { createAccounts } from "./accounts/accounts.ts";
import { createWorkspaces } from "./accounts/workspaces.ts";
import { createApps } from "./apps/apps.ts";
import { createGovernance } from "./apps/governance.ts";
import { createAppProfiles } from "./apps/profiles.ts";
import { createAudit } from "./audit.ts";
import { createDatabaseGate } from "./cache/database-gate.ts";
import { createTokenCache } from "./cache/token-cache.ts";
import { createConnections } from "./connections/connections.ts";
import { createCallback } from "./consent/callback.ts";
import { createConnectFlow } from "./consent/connect.ts";
import { createConsents } from "./consent/consent.ts";
import { createFunctions } from "./functions/functions.ts";
import { createAppSecrets } from "./functions/secrets.ts";
import { createOAuthClients, type OAuthClients } from "./grants/clients.ts";
import { createRevocations, type Revocations } from "./grants/revocation.ts";
import { createFunctionLogs } from "./functions/logs.ts";
import { createAppUsers } from "./users/app-users.ts";
import type { Ground } from "./ground.ts";
import { createRefresher } from "./refresh/refresh.ts";
import type { Spill } from "./refresh/spill.ts";
import { createSweeper } from "./sweeper.ts";

export type Services = ReturnType<typeof createServices>;
type Caches = ReturnType<typeof createCaches>;

/** Builds the cache of opened tokens, and the gate in front of the database. */
export function createCaches(ground: Pick<Ground, "clock" | "limits" | "log">) {
  const gate = createDatabaseGate(ground);
  return { gate, cache: createTokenCache({ ...ground, gate }) };
}

interface TokenPathDeps
  extends
    Omit<
      Ground,
      | "keyring"
      | "audit_release"
      | "default_plan"
      | "gateway"
      | "bundler"
      | "issuerHttp"
      | "issuer_loopback"
      | "functions_isolation"
      | "functions_url"
    >,
    Caches {
  readonly clients: OAuthClients;
  readonly revocations: Omit<Revocations, "prepareTokens">;
  readonly spill: Spill;
}

/** Builds the services that serve and refresh tokens. */
export function createTokenPath(deps: TokenPathDeps) {
  const refresher = createRefresher(deps);
  const connections = createConnections({ ...deps, refresher });
  const sweeper = createSweeper({ ...deps, refresher });
  return { refresher, connections, sweeper };
}

/** Builds all services. */
export function createServices(ground: Ground, spill: Spill) {
  const caches = createCaches(ground);
  const audit = createAudit(ground);
  const rateLimits = createRateLimits(ground);
  const functionTokens = createFunctionTokens(ground);
  const cliSessions = createCliSessions({ ...ground, ...caches, audit });
  const credentials = createCredentials({ ...ground, ...caches, functionTokens, cliSessions });
  const apiKeys = createApiKeys({ ...ground, credentials });
  const accounts = createAccounts({ ...ground, rateLimits, cliSessions, audit, credentials });
  const clients = createOAuthClients({ ...ground, ...caches });
  const revocations = createRevocations({ ...ground, clients, audit });
  const consents = createConsents({ ...ground, ...caches, revocations, audit });
  const appSecrets = createAppSecrets({ ...ground, ...caches });
  return {
    ...caches,
    ...createTokenPath({ ...ground, ...caches, clients, revocations, spill }),
    audit,
    functionTokens,
    cliSessions,
    credentials,
    apiKeys,
    accounts,
    clients,
    revocations,
    consents,
    appSecrets,
    functions: createFunctions({ ...ground, ...caches, appSecrets }),
    device: createDevice({ ...ground, cliSessions, rateLimits, audit }),
    authorization: createAuthorization(ground),
    workspaces: createWorkspaces({ ...ground, accounts, credentials }),
    apps: createApps({ ...ground, ...caches, revocations, apiKeys, credentials }),
    appProfiles: createAppProfiles(ground),
    appUsers: createAppUsers({ ...ground, ...caches }),
    governance: createGovernance({ ...ground, ...caches }),
    functionLogs: createFunctionLogs(ground),
    connect: createConnectFlow({ ...ground, clients }),
    callback: createCallback({ ...ground, clients, consents, audit }),
  };
}

/**
 * The store: every operation as a method, over any engine. queries/ has one file per noun, and
 * rows.ts converts columns to values.
 *
 * On each engine (one suite proves it) a write is atomic, and durable when its promise resolves. A
 * compare-and-set that loses changes nothing, and returns that outcome instead of throwing. Reads
 * see all acknowledged writes.
 *
 * The store sees no plaintext token, knows no provider, and decides nothing that a caller can
 * decide.
 *
 * Errors: CodedError `database_unavailable`, `database_busy`, `storage_full`.
 */
import type { Engine } from "./engine.ts";
import type { Operation, Transaction } from "./operation.ts";
import * as accounts from "./queries/accounts.ts";
import * as appProfiles from "./queries/app-profiles.ts";
import * as appSecrets from "./queries/app-secrets.ts";
import * as appUsers from "./queries/app-users.ts";
import * as apps from "./queries/apps.ts";
import * as audit from "./queries/audit.ts";
import * as cliSessions from "./queries/cli-sessions.ts";
import * as clients from "./queries/clients.ts";
import * as connections from "./queries/connections.ts";
import * as credentials from "./queries/credentials.ts";
import * as device from "./queries/device.ts";
import * as due from "./queries/refresh/due.ts";
import * as flows from "./queries/flows.ts";
import * as functionLogs from "./queries/functions/logs.ts";
import * as functions from "./queries/functions.ts";
import * as governance from "./queries/governance.ts";
import * as outbox from "./queries/outbox.ts";
import * as rateLimits from "./queries/rate-limits.ts";
import * as refresh from "./queries/refresh.ts";
import * as schedules from "./queries/functions/schedules.ts";
import * as system from "./queries/system.ts";
import * as workspaces from "./queries/workspaces.ts";

/* oxlint-disable typescript/no-explicit-any -- the mapped type below keeps each operation's own parameters. */
type AnyOperation = (tx: Transaction, ...rest: any[]) => Promise<any>;
type Method<F> = F extends (tx: Transaction, ...rest: infer Rest) => Promise<infer T>
  ? (...rest: Rest) => Promise<T>
  : never;
type Methods<Operations> = { readonly [Name in keyof Operations]: Method<Operations[Name]> };

const READS = {
  getConnection: connections.getConnection,
  findConnection: connections.findConnection,
  listConnections: connections.listConnections,
  connectionsOfClient: connections.connectionsOfClient,
  endingConnections: connections.endingConnections,
  leasesOfOthers: due.leasesOfOthers,
  getFlow: flows.getFlow,
  findFlowByState: flows.findFlowByState,
  getApp: apps.getApp,
  listApps: apps.listApps,
  onlyApp: apps.onlyApp,
  listConnectors: apps.listConnectors,
  listAppProfiles: appProfiles.listAppProfiles,
  listGovernance: governance.listGovernance,
  getGovernance: governance.getGovernance,
  getServiceToken: credentials.getServiceToken,
  listServiceTokens: credentials.listServiceTokens,
  getApiKey: credentials.getApiKey,
  listApiKeys: credentials.listApiKeys,
  openSetupLink: credentials.openSetupLink,
  findLibraryRows: accounts.findLibraryRows,
  countLibraryRows: accounts.countLibraryRows,
  getUser: accounts.getUser,
  findUser: accounts.findUser,
  hasUsers: accounts.hasUsers,
  listSessions: accounts.listSessions,
  findDefaultWorkspace: workspaces.findDefaultWorkspace,
  getWorkspace: workspaces.getWorkspace,
  installationSharing: workspaces.installationSharing,
  listWorkspaces: workspaces.listWorkspaces,
  countWorkspaces: workspaces.countWorkspaces,
  membershipsOf: workspaces.membershipsOf,
  roleOf: workspaces.roleOf,
  listMembers: workspaces.listMembers,
  findInvitation: workspaces.findInvitation,
  listInvitations: workspaces.listInvitations,
  findClient: clients.findClient,
  getClient: clients.getClient,
  installationClient: clients.installationClient,
  registeredClient: clients.registeredClient,
  listClients: clients.listClients,
  getDataKey: system.getDataKey,
  currentDataKey: system.currentDataKey,
  listDataKeys: system.listDataKeys,
  keyIdsInUse: system.keyIdsInUse,
  getSetting: system.getSetting,
  listAudit: audit.listAudit,
  exportAudit: audit.exportAudit,
  findDeviceCode: device.findDeviceCode,
  findCliToken: cliSessions.findCliToken,
  listCliSessions: cliSessions.listCliSessions,
  dueOutbox: outbox.dueOutbox,
  listOutbox: outbox.listOutbox,
  listFunctions: functions.listFunctions,
  getFunction: functions.getFunction,
  hasFunctions: functions.hasFunctions,
  functionWorkspaces: functions.functionWorkspaces,
  functionNames: functions.functionNames,
  listFunctionVersions: functions.listFunctionVersions,
  getFunctionBlob: functions.getFunctionBlob,
  listFunctionLogs: functionLogs.listFunctionLogs,
  hasFunctionLogs: functionLogs.hasFunctionLogs,
  listSchedules: schedules.listSchedules,
  dueSchedules: schedules.dueSchedules,
  listAppSecrets: appSecrets.listAppSecrets,
  listIssuers: appUsers.listIssuers,
  appsOfIssuer: appUsers.appsOfIssuer,
  listAppUsers: appUsers.listAppUsers,
  findAppUser: appUsers.findAppUser,
} as const satisfies Record<string, AnyOperation>;

const WRITES = {
  claimRefresh: refresh.claimRefresh,
  failRefresh: refresh.failRefresh,
  releaseLease: refresh.releaseLease,
  createFlow: flows.createFlow,
  startFlow: flows.startFlow,
  consumeFlow: flows.consumeFlow,
  finishFlow: flows.finishFlow,
  deleteOldFlows: flows.deleteOldFlows,
  defaultWorkspace: workspaces.defaultWorkspace,
  renameWorkspace: workspaces.renameWorkspace,
  setPlan: workspaces.setPlan,
  shareInstallationClients: workspaces.shareInstallationClients,
  setRole: workspaces.setRole,
  createInvitation: workspaces.createInvitation,
  deleteInvitation: workspaces.deleteInvitation,
  acceptInvitation: workspaces.acceptInvitation,
  changeApp: apps.changeApp,
  createApp: apps.createApp,
  declareConnector: apps.declareConnector,
  putAppProfile: appProfiles.putAppProfile,
  putGovernance: governance.putGovernance,
  createServiceToken: credentials.createServiceToken,
  revokeServiceToken: credentials.revokeServiceToken,
  createApiKey: credentials.createApiKey,
  createSetupLink: credentials.createSetupLink,
  useSetupLink: credentials.useSetupLink,
  revokeApiKey: credentials.revokeApiKey,
  adoptApiKeys: credentials.adoptApiKeys,
  insertLibraryRow: accounts.insertLibraryRow,
  updateLibraryRows: accounts.updateLibraryRows,
  deleteLibraryRows: accounts.deleteLibraryRows,
  endSession: accounts.endSession,
  deleteOldCredentials: credentials.deleteOldCredentials,
  recordUse: credentials.recordUse,
  insertDataKey: system.insertDataKey,
  reserveEncryptions: system.reserveEncryptions,
  rewrapDataKey: system.rewrapDataKey,
  putSetting: system.putSetting,
  appendAudit: audit.appendAudit,
  createDeviceCode: device.createDeviceCode,
  decideDeviceCode: device.decideDeviceCode,
  redeemDeviceCode: device.redeemDeviceCode,
  rotateCliToken: cliSessions.rotateCliToken,
  useCliSession: cliSessions.useCliSession,
  endCliSession: cliSessions.endCliSession,
  endCliSessionsOf: cliSessions.endCliSessionsOf,
  deleteOldLogins: cliSessions.deleteOldLogins,
  finishOutbox: outbox.finishOutbox,
  postponeOutbox: outbox.postponeOutbox,
  deleteOldOutbox: outbox.deleteOldOutbox,
  deleteFunction: functions.deleteFunction,
  appendFunctionLogs: functionLogs.appendFunctionLogs,
  deleteOldFunctionLogs: functionLogs.deleteOldFunctionLogs,
  trimFunctionLogs: functionLogs.trimFunctionLogs,
  claimSchedule: schedules.claimSchedule,
  finishSchedule: schedules.finishSchedule,
  putAppSecrets: appSecrets.putAppSecrets,
  deleteAppSecret: appSecrets.deleteAppSecret,
  deleteIssuer: appUsers.deleteIssuer,
  putAppUser: appUsers.putAppUser,
  setAppUserRole: appUsers.setAppUserRole,
} as const satisfies Record<string, AnyOperation>;

/** Bookkeeping of the sweepers and of event delivery, and counters. */
const EACH = {
  reserveDue: due.reserveDue,
  unreserve: due.unreserve,
  recordCheck: connections.recordCheck,
  reserveEvents: outbox.reserveEvents,
  finishEvent: outbox.finishEvent,
  postponeEvent: outbox.postponeEvent,
  countInWindow: rateLimits.countInWindow,
  uncountInWindow: rateLimits.uncountInWindow,
  deleteOldWindows: rateLimits.deleteOldWindows,
} as const satisfies Record<string, AnyOperation>;

export interface Store extends Methods<typeof READS>, Methods<typeof WRITES>, Methods<typeof EACH> {
  /** Runs several operations as one: all of them, or none. */
  transaction<T>(operation: Operation<T>): Promise<T>;
  onChange: Engine["onChange"];
  ownerIsDead: Engine["ownerIsDead"];
  /**
   * Removes deleted and replaced data from the database's files too, if the engine owns them. See
   * Engine.
   */
  purge(): Promise<void>;
  close(): Promise<void>;
}

export function createStore(engine: Engine): Store {
  const bound = (how: Engine["read"], operations: Readonly<Record<string, AnyOperation>>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(operations).map(([name, operation]) => [
        name,
        (...rest: unknown[]) => how((tx) => operation(tx, ...rest)),
      ]),
    );
  const methods = {
    ...bound(engine.read, READS),
    ...bound(engine.write, WRITES),
    ...bound(engine.writeEach, EACH),
    transaction: engine.write,
    onChange: engine.onChange,
    ownerIsDead: engine.ownerIsDead,
    purge: () => engine.purge?.() ?? Promise.resolve(),
    close: engine.close,
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the mapped types above describe these tables.
  return methods as unknown as Store;
}
/* oxlint-enable typescript/no-explicit-any */

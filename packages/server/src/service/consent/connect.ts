/**
 * The connect flow, from a request for a connection to the provider's page. callback.ts handles the
 * provider's callback. Binds the verbs of declare.ts, start.ts and status.ts.
 *
 * Knows no HTTP: pages pass in the flow they read, and the app that the builder may act for.
 */
import type { Secret } from "../../core/secret.ts";
import type { AppId, ConnectionConfig, FlowId } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import type { AppRow, FlowRow } from "../../store/tables.ts";
import { existingApp } from "../access/authorization.ts";
import {
  initiate,
  reconnect,
  savedConfig,
  type DeclareDeps,
  type Initiated,
  type InitiateRequest,
  type ReconnectRequest,
  type SavedConfig,
} from "./declare.ts";
import { ownFlow } from "./flow.ts";
import { authorizationUrl, start, viewConfirm, type ConfirmView, type StartDeps } from "./start.ts";
import { statusOf, type ConsentStatus, type StatusQuery } from "./status.ts";

/** The app and the provider of a flow, which its pages name. */
export interface FlowSubject {
  readonly app: AppRow;
  readonly provider: Provider;
}

export interface ConnectFlow {
  initiate(request: InitiateRequest): Promise<Initiated>;
  /** Starts a new consent for the declared scopes and settings, even if the connection works. */
  reconnect(request: ReconnectRequest): Promise<Initiated>;
  savedConfig(app_id: AppId, integration_type: string): Promise<SavedConfig>;
  status(query: StatusQuery): Promise<ConsentStatus>;
  /** Returns a flow of this builder. */
  flow(id: FlowId, principal: string): Promise<FlowRow>;
  subject(flow: FlowRow): Promise<FlowSubject>;
  confirm(flow: FlowRow, app: AppRow): Promise<ConfirmView>;
  /** Starts the flow: the builder pressed Connect in the browser with this flow cookie. */
  start(flow: FlowRow, app: AppRow, browser: Secret, config: ConnectionConfig): Promise<void>;
  /** Returns the provider's authorization URL, for the browser that started the flow. */
  authorizationUrl(flow: FlowRow, browser: Secret | null): Promise<string>;
}

export function createConnectFlow(deps: DeclareDeps & StartDeps): ConnectFlow {
  return {
    initiate: (request) => initiate(deps, request),
    reconnect: (request) => reconnect(deps, request),
    savedConfig: (app_id, integration_type) => savedConfig(deps, app_id, integration_type),
    status: (query) => statusOf(deps, query),
    flow: (id, principal) => ownFlow(deps, id, principal),
    subject: async (flow) => ({
      provider: deps.catalog.require(flow.integration_type),
      app: await existingApp(deps.store, flow.app_id),
    }),
    confirm: (flow, app) => viewConfirm(deps, flow, app),
    start: (flow, app, browser, config) => start(deps, flow, app, browser, config),
    authorizationUrl: (flow, browser) => authorizationUrl(deps, flow, browser),
  };
}

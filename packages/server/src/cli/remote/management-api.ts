/**
 * The calls of commands on apps, service tokens, OAuth clients and app users: the same over HTTP
 * (remote-management.ts) and on the data of this machine (local-management.ts).
 */
import type { AppRole } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { Reply } from "./reply.ts";

export type ListedApp = Reply<"apps">["apps"][number];
export type ListedToken = Reply<"tokens">["tokens"][number];
export type ListedIssuer = Reply<"issuer">;
export type ListedUser = Reply<"user">;
/** `workspace_id` is null for a client of the installation. */
export type ListedClient = Reply<"client">;

export interface CreatedApp {
  readonly app_id: string;
  readonly service_token: Secret;
  /** Null if the workspace has reached its limit of API keys. */
  readonly api_key: Secret | null;
}

export interface CreatedToken {
  readonly id: string;
  readonly service_token: Secret;
}

export interface NewClient {
  readonly integration_type: string;
  readonly client_id: string;
  readonly client_secret: Secret;
  readonly shared_callback: boolean;
}

export interface NewIssuer {
  readonly issuer: string;
  readonly kind: "oidc" | "jwks" | "secret" | "verify";
  readonly url: string | null;
  readonly audiences: readonly string[];
  readonly secret: Secret | null;
  /** Stores the issuer without trying it. */
  readonly skip_check: boolean;
}

export interface UserPage {
  readonly users: readonly ListedUser[];
  /** The cursor of the next page. Null on the last page. */
  readonly next: string | null;
}

export interface ManagementApi {
  createApp(name: string): Promise<CreatedApp>;
  listApps(): Promise<readonly ListedApp[]>;
  removeApp(app: string): Promise<void>;
  /** `expires_in_s`: null for a token that never expires. */
  createToken(app: string, name: string, expires_in_s: number | null): Promise<CreatedToken>;
  listTokens(app: string): Promise<readonly ListedToken[]>;
  revokeToken(app: string, id: string): Promise<void>;
  /** `workspace`: null for the OAuth clients of the installation. */
  setClient(workspace: string | null, client: NewClient): Promise<ListedClient>;
  listClients(workspace: string | null): Promise<readonly ListedClient[]>;
  removeClient(workspace: string | null, integration_type: string): Promise<void>;
  /**
   * Lets a workspace of other owners use the installation's OAuth clients, or not. Returns the risk
   * text to show.
   */
  shareClients(workspace: string, allowed: boolean): Promise<string>;
  putIssuer(app: string, issuer: NewIssuer): Promise<ListedIssuer>;
  listIssuers(app: string): Promise<readonly ListedIssuer[]>;
  removeIssuer(app: string, id: string): Promise<void>;
  listUsers(app: string, cursor: string | null): Promise<UserPage>;
  setUserRole(app: string, id: string, role: AppRole): Promise<ListedUser>;
}

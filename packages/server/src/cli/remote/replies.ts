/**
 * The replies that commands read: the fields of each shape in wire/ that a command uses. A server
 * of another version can lack the others. Loaded after the first request, because TypeBox takes
 * longer to load than the rest of the command.
 */
import { Type } from "typebox";
import { AvailableReply, InitiateReply, ListReply, StatusReply } from "../../wire/connectors.ts";
import {
  AppReply,
  ClientReply,
  CreatedAppReply,
  CreatedTokenReply,
  ShareClientsReply,
  TokensReply,
} from "../../wire/management.ts";
import { AppLogsReply } from "../../wire/function-logs.ts";
import { nullable } from "../../wire/fields.ts";
import {
  BackendFunctionsReply,
  DeployedReply,
  RolledBackReply,
  SchedulesReply,
  SecretsReply,
  VersionsReply,
} from "../../wire/functions.ts";
import { SuccessReply } from "../../wire/platform.ts";
import { DeviceCodeReply, OAuthTokenReply, UserInfoReply } from "../../wire/oauth.ts";
import { IssuerReply, IssuersReply, ListedUserReply, UsersReply } from "../../wire/users.ts";
import {
  CreatedKeyReply,
  InvitationsReply,
  InvitedReply,
  KeysReply,
  MembersReply,
  WorkspaceReply,
  WorkspacesReply,
} from "../../wire/workspaces.ts";

const { integrations: available } = AvailableReply.properties;
const { invitations } = InvitationsReply.properties;
/** An older server does not return the redirect URI. */
const client = Type.Object({ ...ClientReply.properties, redirect_uri: nullable(ClientReply.properties.redirect_uri) });

export const REPLIES = {
  /** Any object. Commands use none of its fields. */
  done: Type.Object({}),
  // Signing in.
  device_code: Type.Pick(DeviceCodeReply, ["device_code", "user_code", "verification_uri", "expires_in", "interval"]),
  oauth_tokens: Type.Pick(OAuthTokenReply, ["access_token", "refresh_token", "expires_in"]),
  account: Type.Pick(UserInfoReply, ["email", "name"]),
  // Connectors.
  available: Type.Object({
    integrations: Type.Array(Type.Pick(available.items, ["integration_type", "display_name", "description"])),
  }),
  connectors: ListReply,
  initiated: InitiateReply,
  consent: Type.Pick(StatusReply, ["status"]),
  // Functions and secrets.
  deployed: DeployedReply,
  functions: BackendFunctionsReply,
  function_versions: VersionsReply,
  rolled_back: RolledBackReply,
  secrets: SecretsReply,
  success: SuccessReply,
  // Management.
  created_app: CreatedAppReply,
  apps: Type.Object({ apps: Type.Array(Type.Pick(AppReply, ["id", "name", "created_at"])) }),
  created_token: CreatedTokenReply,
  tokens: TokensReply,
  client,
  clients: Type.Object({ clients: Type.Array(client) }),
  issuer: IssuerReply,
  issuers: IssuersReply,
  user: ListedUserReply,
  users: UsersReply,
  sharing: Type.Pick(ShareClientsReply, ["risk"]),
  workspace: WorkspaceReply,
  workspaces: WorkspacesReply,
  members: MembersReply,
  invited: InvitedReply,
  invitations: Type.Object({
    invitations: Type.Array(Type.Pick(invitations.items, ["id", "email", "role", "expires_at"])),
  }),
  created_key: CreatedKeyReply,
  keys: KeysReply,
  logs: AppLogsReply,
  schedules: SchedulesReply,
};

/**
 * Apps, workspaces and stripe: what the public clients request besides connectors. The server
 * ignores unknown fields.
 */
import { Type } from "typebox";
import { nullable, text } from "./fields.ts";

export const StripeStatusReply = Type.Object({ stripe_mode: Type.Null() });
export const SuccessReply = Type.Object({ success: Type.Boolean() });

/** The public CLI refuses null in an optional field. */
export const PlatformAppReply = Type.Object({
  id: Type.String(),
  name: Type.Optional(Type.String()),
  user_description: Type.Optional(Type.String()),
  is_managed_source_code: Type.Optional(Type.Boolean()),
  organization_id: Type.Optional(Type.String()),
  public_settings: Type.Optional(Type.String()),
  created_date: Type.Optional(Type.String()),
});
export const PlatformAppsReply = Type.Array(PlatformAppReply);
export const CreatedPlatformAppReply = Type.Object({ id: Type.String() });

export const AppsQuery = Type.Object({
  sort: Type.Optional(text(64)),
  fields: Type.Optional(text(512)),
  limit: Type.Optional(text(8)),
});
export const AppQuery = Type.Object({ fields: Type.Optional(text(512)) });

const Visibility = Type.Union([
  Type.Literal("public_without_login"),
  Type.Literal("private_with_login"),
  Type.Literal("workspace_with_login"),
]);
export const CreatePlatformAppBody = Type.Object({
  name: text(400),
  user_description: Type.Optional(nullable(text(2000))),
  public_settings: Type.Optional(nullable(Visibility)),
  organization_id: Type.Optional(nullable(text(64))),
});
export const ChangePlatformAppBody = Type.Object({
  user_description: Type.Optional(nullable(text(2000))),
  public_settings: Type.Optional(nullable(Visibility)),
});

export const WorkspacesReply = Type.Object({
  workspaces: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      user_role: Type.Optional(Type.String()),
      subscription_tier: Type.Optional(Type.String()),
      is_enterprise: Type.Optional(Type.Boolean()),
    }),
  ),
});

/** App users and their issuers: the user as the SDK reads it, and bodies of management routes. */
import { Type } from "typebox";
import { Instant, nullable, strict, text } from "./fields.ts";

const AppRole = Type.Union([Type.Literal("user"), Type.Literal("admin")]);

/**
 * The user that `auth.me()` returns. `role` is what the app's builders set, and `admin` for a
 * builder of the app. No claim of a token changes it.
 */
export const UserReply = Type.Object({
  id: Type.String(),
  created_date: Type.String(),
  updated_date: Type.String(),
  email: nullable(Type.String()),
  full_name: nullable(Type.String()),
  disabled: Type.Null(),
  app_id: Type.String(),
  is_service: Type.Boolean(),
  _app_role: AppRole,
  role: AppRole,
});

/** What `base44 exec` requests: a token for its caller, and the origin that serves the API. */
export const UserTokenReply = Type.Object({ token: Type.String() });
export const PublishedUrlReply = Type.Object({ url: Type.String() });

const Kind = Type.Union([Type.Literal("oidc"), Type.Literal("jwks"), Type.Literal("secret"), Type.Literal("verify")]);
export const PutIssuerBody = strict({
  issuer: text(512),
  kind: Kind,
  url: Type.Optional(text(2048)),
  audiences: Type.Optional(Type.Array(text(512), { maxItems: 10 })),
  secret: Type.Optional(text(4096)),
  /** Stores the issuer without a request to it. */
  skip_check: Type.Optional(Type.Boolean()),
});
export const IssuerReply = Type.Object({
  id: Type.String(),
  issuer: Type.String(),
  kind: Kind,
  url: nullable(Type.String()),
  audiences: Type.Array(Type.String()),
  created_at: Instant,
  updated_at: Instant,
});
export const IssuersReply = Type.Object({ issuers: Type.Array(IssuerReply) });
export const IssuerParams = Type.Object({ app: text(64), issuer: text(64) });

export const UserParams = Type.Object({ app: text(64), user: text(64) });
export const SetUserRoleBody = strict({ role: AppRole });

export const UsersQuery = strict({ cursor: Type.Optional(text(64)) });
export const ListedUserReply = Type.Object({
  id: Type.String(),
  issuer_id: Type.String(),
  subject: Type.String(),
  email: nullable(Type.String()),
  full_name: nullable(Type.String()),
  /** Null for a builder, whose membership decides. */
  role: nullable(AppRole),
  created_at: Instant,
  last_seen_at: Instant,
});
export const UsersReply = Type.Object({
  users: Type.Array(ListedUserReply),
  /** The cursor of the next page. Null on the last page. */
  next: nullable(Type.String()),
});

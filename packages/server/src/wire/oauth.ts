/** Replies of the routes that sign in a command line. */
import { Type } from "typebox";
import { Duration } from "./fields.ts";

/** RFC 8628 section 3.2. */
export const DeviceCodeReply = Type.Object({
  device_code: Type.String(),
  user_code: Type.String(),
  verification_uri: Type.String(),
  verification_uri_complete: Type.String(),
  expires_in: Duration,
  interval: Duration,
});

/** RFC 6749 section 5.1. */
export const OAuthTokenReply = Type.Object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Duration,
  scope: Type.String(),
});

export const UserInfoReply = Type.Object({ sub: Type.String(), email: Type.String(), name: Type.String() });

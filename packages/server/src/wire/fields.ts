/**
 * Parts of the wire's schemas. wire/ owns the shapes of requests and replies, which http/ serves
 * and cli/ reads. It knows no route and no service.
 *
 * A reply schema is an allow-list: the server does not send a field that its schema does not
 * declare. This keeps tokens and sealed columns out of replies even if a handler returns too much.
 * Routes of the contract ignore unknown fields of a request, because their public clients send
 * some. Our own routes refuse them.
 */
import { Type, type TObject, type TProperties, type TSchema } from "typebox";

export const text = (maxLength: number) => Type.String({ maxLength });
export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** A body of our own routes: a field that is not declared is an error. */
export const strict = <P extends TProperties>(properties: P): TObject<P> =>
  Type.Object(properties, { additionalProperties: false });

/** In ms since the epoch, up to the last date that JavaScript can represent. */
export const Instant = Type.Number({ minimum: 0, maximum: 8_640_000_000_000_000 });
/** In seconds. */
export const Duration = Type.Integer({ minimum: 1 });
/** How long a new token or key is valid, in seconds: from a minute to ten years. */
export const Lifetime = Type.Integer({ minimum: 60, maximum: 315_360_000 });

export const AppParams = Type.Object({ app: text(64) });
export const ServiceParams = Type.Object({ app: text(64), integration_type: text(128) });
export const WorkspaceParams = Type.Object({ workspace: text(64) });
export const WorkspaceServiceParams = Type.Object({ workspace: text(64), integration_type: text(128) });

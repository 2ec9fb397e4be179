/** Access tokens for apps' backends: the route that everything else supports. */
import { CodedError } from "../../core/errors.ts";
import type { HttpServer } from "../fastify.ts";
import { bridgeOf } from "../bridge.ts";
import { requireAppToken } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { TokenQuery, TokenReply } from "../../wire/connectors.ts";
import { ServiceParams } from "../../wire/fields.ts";

const MAX_MIN_VALID_S = 86_400;
const REJECTED_HEADER = "x-holdfast-rejected-token-hash";

export function tokenRoutes(server: HttpServer, context: HttpContext): void {
  server.get(
    "/api/apps/:app/external-auth/tokens/:integration_type",
    {
      config: { bridge: true },
      schema: { params: ServiceParams, querystring: TokenQuery, response: { 200: TokenReply } },
    },
    async (request, reply) => {
      const { app: app_id, integration_type } = request.params;
      const principal = await requireAppToken(context, request, app_id);
      const served = await context.connections.get(principal.app_id, integration_type, {
        rejected_hash: rejectedHash(request.headers[REJECTED_HEADER]),
        min_valid_ms: minValid(request.query.min_valid_seconds),
      });
      const recorded = context.audit.release({
        app_id,
        actor: principal.actor,
        action: "token.released",
        target: integration_type,
        request_id: request.id,
      });
      if (recorded !== null) await recorded;
      const bridge = bridgeOf(request);
      if (bridge !== null) context.functionRunner?.hide(bridge.process_id, served.access_token.expose());
      void reply.header("cache-control", "no-store");
      if (served.is_stale) void reply.header("x-stale", "1");
      return {
        access_token: served.access_token.expose(),
        integration_type: served.integration_type,
        connection_config: served.connection_config === null ? null : { ...served.connection_config },
      };
    },
  );
}

/** Parses `min_valid_seconds`. No refreshable token of a vendor is valid for more than a day. */
function minValid(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > MAX_MIN_VALID_S) {
    const message = `a whole number of seconds from 1 to ${MAX_MIN_VALID_S}`;
    throw new CodedError("invalid_field", { errors: [{ name: "min_valid_seconds", message }] });
  }
  return Number(text) * 1000;
}

function rejectedHash(header: string | readonly string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header !== "string" || !/^[0-9a-f]{64}$/.test(header)) {
    throw new CodedError("invalid_field", {
      errors: [
        { name: REJECTED_HEADER, message: "the SHA-256 of the refused access token, as 64 lower-case hex digits" },
      ],
    });
  }
  return header;
}

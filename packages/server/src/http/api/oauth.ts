/**
 * What command lines sign in with: RFC 8628 (device code), RFC 6749 §6 (refresh), RFC 7009 (revoke) and the user's name. The
 * public CLI sends the first request as JSON; forms and JSON are read alike everywhere. Errors are `{ error,
 * error_description }`, which the public CLI insists on. A 429 says `slow_down`, upon which it goes on asking.
 */
import formbody from "@fastify/formbody";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "../../core/errors.ts";
import { isJsonObject } from "../../core/types.ts";
import { GrantError, type IssuedTokens } from "../../service/access/cli-sessions.ts";
import type { HttpServer } from "../fastify.ts";
import { clientAddress, clientNetwork } from "../client-address.ts";
import { bearerOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { toApiError } from "../errors.ts";
import { DeviceCodeReply, OAuthTokenReply, UserInfoReply } from "../../wire/oauth.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

export async function oauthRoutes(server: HttpServer, context: HttpContext): Promise<void> {
  const { device, cliSessions, config, log } = context;
  await server.register(async (oauth: HttpServer) => {
    await oauth.register(formbody, { bodyLimit: config.limits.body_bytes });
    oauth.addHook("onSend", async (_request, reply) => void reply.header("cache-control", "no-store"));
    oauth.setErrorHandler((thrown: FastifyError | Error, request, reply) => sendOAuthError(thrown, request, reply));

    oauth.post("/oauth/device/code", { schema: { response: { 200: DeviceCodeReply } } }, async (request) => {
      const fields = readerOf(request);
      const begun = await device.begin({
        client_id: fields.required("client_id"),
        scope: fields.optional("scope"),
        address: clientAddress(request),
        network: clientNetwork(request),
      });
      const { device_code, expires_in_s, interval_s, ...rest } = begun;
      return { ...rest, device_code: device_code.expose(), expires_in: expires_in_s, interval: interval_s };
    });

    oauth.post("/oauth/token", { schema: { response: { 200: OAuthTokenReply } } }, async (request) => {
      const fields = readerOf(request);
      const grant_type = fields.required("grant_type");
      const client_id = fields.required("client_id");
      if (grant_type === DEVICE_GRANT) return tokenReply(await device.poll(fields.required("device_code"), client_id));
      if (grant_type === "refresh_token")
        return tokenReply(await cliSessions.refresh(fields.required("refresh_token"), client_id));
      throw new GrantError("unsupported_grant_type", `grant_type must be refresh_token or ${DEVICE_GRANT}.`);
    });

    oauth.get("/oauth/userinfo", { schema: { response: { 200: UserInfoReply } } }, async (request) => {
      const bearer = bearerOf(request);
      if (bearer === null) throw new ApiError("missing_token");
      const principal = await cliSessions.verifyCliSession(bearer);
      const person = principal === null ? null : await cliSessions.person(principal.user_id);
      if (principal === null || person === null) throw new ApiError("invalid_token");
      return { sub: principal.user_id, ...person };
    });

    oauth.post("/oauth/revoke", async (request, reply) => {
      const fields = readerOf(request);
      await cliSessions.revoke(fields.required("token"), fields.required("client_id"));
      return reply.code(200).send();
    });
  });

  function sendOAuthError(thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = thrown instanceof GrantError ? thrown : toApiError(thrown);
    if (refusal instanceof ApiError) {
      // A bearer that is refused is RFC 6750's business, and counted where all others are.
      if (refusal.status === 401) throw thrown;
      if (refusal.status === 500)
        log.error("internal_error", { request_id: request.id, route: request.routeOptions.url ?? "", error: thrown });
      const wait_s = refusal.options.retry_after_s ?? (refusal.status === 503 ? 1 : null);
      if (wait_s !== null) void reply.header("retry-after", String(wait_s));
    }
    return reply
      .code(refusal instanceof ApiError ? refusal.status : 400)
      .type("application/json; charset=utf-8")
      .serializer(JSON.stringify)
      .send({ error: nameOf(refusal), error_description: refusal.message });
  }
}

function nameOf(refusal: GrantError | ApiError): string {
  if (refusal instanceof GrantError) return refusal.error;
  if (refusal.status === 429) return "slow_down";
  if (refusal.status === 503) return "temporarily_unavailable";
  return refusal.status < 500 ? "invalid_request" : "server_error";
}

function tokenReply({ access_token, refresh_token, expires_in_s, scope }: IssuedTokens) {
  return {
    access_token: access_token.expose(),
    refresh_token: refresh_token.expose(),
    token_type: "Bearer" as const,
    expires_in: expires_in_s,
    scope,
  };
}

/** RFC 6749 §5.2: parameters must not come twice, and an empty one was not sent. */
function readerOf({ body }: FastifyRequest) {
  const fields = isJsonObject(body) ? body : {};
  const optional = (name: string): string | null => {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value === undefined || value === "") return null;
    if (typeof value !== "string") throw new GrantError("invalid_request", `${name} must be one text.`);
    return value;
  };
  return {
    optional,
    required(name: string): string {
      const value = optional(name);
      if (value === null) throw new GrantError("invalid_request", `${name} is missing.`);
      return value;
    },
  };
}

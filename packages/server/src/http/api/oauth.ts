/**
 * Signs in command lines: RFC 8628 (device code), RFC 6749 §6 (refresh), RFC 7009 (revoke) and the
 * user's name. The public CLI sends its first request as JSON, so all routes read forms and JSON.
 * Errors are `{ error, error_description }`, because the public CLI requires them. A 429 is
 * `slow_down`, so that the CLI keeps polling.
 */
import formbody from "@fastify/formbody";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { CodedError } from "../../core/errors.ts";
import { isJsonObject } from "../../core/types.ts";
import type { IssuedTokens } from "../../service/access/cli-tokens.ts";
import { GrantError } from "../../service/access/grant-error.ts";
import type { HttpServer } from "../fastify.ts";
import { clientAddress, clientNetwork } from "../client-address.ts";
import { bearerOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { toCodedError } from "../errors.ts";
import { DeviceCodeReply, OAuthTokenReply, UserInfoReply } from "../../wire/oauth.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

export async function oauthRoutes(server: HttpServer, context: HttpContext): Promise<void> {
  await server.register(async (oauth: HttpServer) => {
    await oauth.register(formbody, { bodyLimit: context.config.limits.body_bytes });
    oauth.addHook("onSend", async (_request, reply) => void reply.header("cache-control", "no-store"));
    oauth.setErrorHandler((thrown: FastifyError | Error, request, reply) =>
      sendOAuthError(context, thrown, request, reply),
    );
    deviceRoute(oauth, context);
    tokenRoutes(oauth, context);
    userinfoRoute(oauth, context);
  });
}

function deviceRoute(server: HttpServer, { device }: HttpContext): void {
  server.post("/oauth/device/code", { schema: { response: { 200: DeviceCodeReply } } }, async (request) => {
    const begun = await device.begin({
      client_id: requiredField(request, "client_id"),
      scope: optionalField(request, "scope"),
      address: clientAddress(request),
      network: clientNetwork(request),
    });
    const { device_code, expires_in_s, interval_s, ...rest } = begun;
    return { ...rest, device_code: device_code.expose(), expires_in: expires_in_s, interval: interval_s };
  });
}

function tokenRoutes(server: HttpServer, { device, cliSessions }: HttpContext): void {
  server.post("/oauth/token", { schema: { response: { 200: OAuthTokenReply } } }, async (request) => {
    const grant_type = requiredField(request, "grant_type");
    const client_id = requiredField(request, "client_id");
    if (grant_type === DEVICE_GRANT)
      return tokenReply(await device.poll(requiredField(request, "device_code"), client_id));
    if (grant_type === "refresh_token")
      return tokenReply(await cliSessions.refresh(requiredField(request, "refresh_token"), client_id));
    throw new GrantError("unsupported_grant_type", `grant_type must be refresh_token or ${DEVICE_GRANT}.`);
  });

  server.post("/oauth/revoke", async (request, reply) => {
    await cliSessions.revoke(requiredField(request, "token"), requiredField(request, "client_id"));
    return await reply.code(200).send();
  });
}

function userinfoRoute(server: HttpServer, { cliSessions }: HttpContext): void {
  server.get("/oauth/userinfo", { schema: { response: { 200: UserInfoReply } } }, async (request) => {
    const bearer = bearerOf(request);
    if (bearer === null) throw new CodedError("missing_token");
    const principal = await cliSessions.verifyCliSession(bearer);
    const user = principal === null ? null : await cliSessions.account(principal.user_id);
    if (principal === null || user === null) throw new CodedError("invalid_token");
    return { sub: principal.user_id, ...user };
  });
}

function sendOAuthError(
  { log }: HttpContext,
  thrown: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const refusal = thrown instanceof GrantError ? thrown : toCodedError(thrown, request);
  if (refusal instanceof CodedError) {
    // The server's own handler counts refused bearers and replies as RFC 6750 says.
    if (refusal.status === 401) throw thrown;
    if (refusal.status === 500)
      log.error("internal_error", { request_id: request.id, route: request.routeOptions.url ?? "", error: thrown });
    const wait_s = refusal.options.retry_after_s ?? (refusal.status === 503 ? 1 : null);
    if (wait_s !== null) void reply.header("retry-after", String(wait_s));
  }
  return reply
    .code(refusal instanceof CodedError ? refusal.status : 400)
    .type("application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send({ error: errorName(refusal), error_description: refusal.message });
}

function errorName(refusal: GrantError | CodedError): string {
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

/**
 * Reads a parameter. It must not be repeated, and an empty one counts as absent (RFC 6749 §5.2).
 */
function optionalField({ body }: FastifyRequest, name: string): string | null {
  const value = isJsonObject(body) && Object.hasOwn(body, name) ? body[name] : undefined;
  if (value === undefined || value === "") return null;
  if (typeof value !== "string") throw new GrantError("invalid_request", `${name} must be a single string.`);
  return value;
}

function requiredField(request: FastifyRequest, name: string): string {
  const value = optionalField(request, name);
  if (value === null) throw new GrantError("invalid_request", `${name} is missing.`);
  return value;
}

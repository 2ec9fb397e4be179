/**
 * Our three cookies: the session, the flow cookie that binds a consent to the browser that started
 * it, and the form cookie that binds forms before sign-in.
 *
 * SameSite=Lax, because browsers do not send Strict cookies with the provider's redirect, a
 * cross-site GET. `__Host-` and Secure on https only: browsers refuse both on loopback http.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import { Secret } from "../core/secret.ts";

export type CookieName = "session" | "flow" | "form";

const VALUE_PATTERN = /^[A-Za-z0-9_-]{32,43}$/;

function fullName(config: Config, name: CookieName): string {
  return config.public_url.startsWith("https:") ? `__Host-holdfast-${name}` : `holdfast-${name}`;
}

export function readCookie(request: FastifyRequest, config: Config, name: CookieName): Secret | null {
  const value = request.cookies[fullName(config, name)];
  return value !== undefined && VALUE_PATTERN.test(value) ? new Secret(value) : null;
}

export function setCookie(
  reply: FastifyReply,
  config: Config,
  name: CookieName,
  value: Secret,
  max_age_s: number,
): void {
  void reply.setCookie(fullName(config, name), value.expose(), { ...attributes(config), maxAge: max_age_s });
}

export function clearCookie(reply: FastifyReply, config: Config, name: CookieName): void {
  void reply.clearCookie(fullName(config, name), attributes(config));
}

function attributes(config: Config): { path: string; httpOnly: boolean; sameSite: "lax"; secure: boolean } {
  return { path: "/", httpOnly: true, sameSite: "lax", secure: config.public_url.startsWith("https:") };
}

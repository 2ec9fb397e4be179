/**
 * Forms before sign-in. There is no session that their token could be bound to, so it is bound to a cookie that the page itself
 * sets: another site can send the form, but can neither read the token nor set the cookie. Without it somebody could sign a
 * person in to the wrong account, into which that person would then connect their own (login CSRF, RFC 6819 §4.4.1.13).
 *
 * Errors: ApiError `csrf`.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { checkForm, formToken, isSameOrigin } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie, setCookie } from "../cookies.ts";

/** The token for a form that this reply shows. One cookie per browser: two tabs must not spoil each other's forms. */
export function guestFormToken({ config }: HttpContext, request: FastifyRequest, reply: FastifyReply): string {
  const guest = readCookie(request, config, "form") ?? new Secret(randomToken());
  setCookie(reply, config, "form", guest, config.limits.session_absolute_ms / 1000);
  return formToken(guest);
}

/** The browser must say that a page of ours sends the form, and the form must be one that this browser was shown. */
export function checkGuestForm(context: HttpContext, request: FastifyRequest, given: unknown): void {
  const guest = readCookie(request, context.config, "form");
  if (guest === null || !isSameOrigin(context, request, "required")) throw new ApiError("csrf");
  checkForm(context, request, guest, given);
}

/**
 * Forms before sign-in. They have no session to bind their token to, so the token is bound to a
 * cookie that the page itself sets. Another site can send the form, but it can neither read the
 * token nor set the cookie. Without this check an attacker could sign a user in to the attacker's
 * account. The user would then connect their own accounts to it (login CSRF, RFC 6819 §4.4.1.13).
 *
 * Errors: CodedError `csrf`.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { CodedError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { checkForm, formToken, isSameOrigin } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie, setCookie } from "../cookies.ts";

/**
 * Returns the token for a form in this reply. Each browser keeps one cookie, so that two tabs do
 * not invalidate each other's forms.
 */
export function guestFormToken({ config }: HttpContext, request: FastifyRequest, reply: FastifyReply): string {
  const guest = readCookie(request, config, "form") ?? new Secret(randomToken());
  setCookie(reply, config, "form", guest, config.limits.session_absolute_ms / 1000);
  return formToken(guest);
}

/**
 * Requires a form that this server showed to this browser, sent from one of our pages.
 *
 * @throws CodedError `csrf`
 */
export function checkGuestForm(context: HttpContext, request: FastifyRequest, form_token: unknown): void {
  const guest = readCookie(request, context.config, "form");
  if (guest === null || !isSameOrigin(context, request, "required")) throw new CodedError("csrf");
  checkForm(context, request, guest, form_token);
}

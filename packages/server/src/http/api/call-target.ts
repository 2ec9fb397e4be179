/**
 * Finds the function that a request calls. The app comes from the path. For paths without an app,
 * it comes from the calling function, the host, the token or the installation. Checks the app and
 * its functions switch before the body is read.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { CodedError } from "../../core/errors.ts";
import { functionsOrigin } from "../../core/functions/functions-url.ts";
import { asAppId } from "../../core/ids.ts";
import type { AppId } from "../../core/types.ts";
import type { FunctionRequest } from "../../runner/functions.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import { wellFormedBearer } from "../auth.ts";
import { bridgeOf } from "../bridge.ts";
import { clientAddress } from "../client-address.ts";
import type { HttpContext } from "../context.ts";
import { functionsHostOf } from "../functions-host.ts";

/** The function that a request calls, and the part of its path that names it. */
export interface CallTarget {
  readonly app: AppRow;
  readonly function_name: string;
  readonly prefix: string;
}

/** Finds the function of a path that names its app. An app's own host serves no other app. */
export async function namedTarget(
  context: HttpContext,
  request: FastifyRequest,
  { app: app_id, "*": function_name }: { readonly app: AppId; readonly "*": string },
): Promise<CallTarget> {
  const host = functionsHostOf(context.config, request);
  if (host?.kind === "app" && host.app_id !== app_id) throw new CodedError("not_found");
  const app = await appWithFunctions(context, app_id);
  return { app, function_name, prefix: `/api/apps/${app.id}/functions/${function_name}` };
}

/** Finds the function whose name the path begins with. */
export async function matchedTarget(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
): Promise<CallTarget> {
  const app = await appWithFunctions(context, await appOf(context, request, reply));
  const found = isPlainPath(request, path) ? await context.functions.match(app.id, path) : null;
  if (found === null) throw new CodedError("function_not_found");
  return { app, function_name: found.function_name, prefix: `/api/functions/${found.function_name}` };
}

/**
 * A URL parser removes dot segments, so the path would no longer begin with the function's name.
 */
function isPlainPath({ raw }: FastifyRequest, path: string): boolean {
  return !path.split("/").some((segment) => segment === "." || segment === "..") && !(raw.url ?? "").includes("\\");
}

/**
 * Returns the app of a path without one: the calling function's, the host's, the user token's, or
 * the only app.
 *
 * @throws CodedError `app_ambiguous`
 */
async function appOf(
  { config, apps, appUsers }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<AppId> {
  const bridged = bridgeOf(request);
  if (bridged !== null) return asAppId(bridged.app_id);
  const host = functionsHostOf(config, request);
  if (host?.kind === "app") return host.app_id;
  // A cache must not give one app's reply to another app's user.
  void reply.header("vary", "authorization");
  const bearer = wellFormedBearer(request);
  const user = bearer === null ? null : await appUsers.locate(bearer);
  const app_id = user?.app_id ?? (await apps.only());
  if (app_id === null) throw new CodedError("app_ambiguous");
  return app_id;
}

async function appWithFunctions({ functionRunner, credentials }: HttpContext, app_id: AppId): Promise<AppRow> {
  if (functionRunner === null) throw new CodedError("functions_not_served");
  const app = await credentials.existingApp(app_id);
  if (!app.functions_enabled) throw new CodedError("functions_disabled");
  return app;
}

/** Returns the public URL of a call, and the caller's address. */
export function addressOf(
  { config }: HttpContext,
  request: FastifyRequest,
  { app, prefix }: CallTarget,
): Pick<FunctionRequest, "url" | "prefix" | "client_address"> {
  const is_own = config.functions_url !== null && functionsHostOf(config, request) !== null;
  const origin = is_own ? functionsOrigin(config.functions_url, app.id) : config.public_url;
  const path = (request.raw.url ?? "").replace(/^https?:\/\/[^/?#]*/i, "");
  const client_address = bridgeOf(request) === null ? clientAddress(request) : null;
  return { url: origin + path, prefix, client_address };
}

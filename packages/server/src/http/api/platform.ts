/**
 * Apps, workspaces and stripe: the routes that the public command line needs besides connectors.
 * The shapes are the contract's. Our own routes for the same things are in management.ts.
 */
import { CodedError } from "../../core/errors.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import type { HttpServer } from "../fastify.ts";
import { requireAppBuilder, requireBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { countOf } from "../query.ts";
import { appsOf, workspaceForApps } from "./visible-apps.ts";
import { AppParams } from "../../wire/fields.ts";
import {
  AppQuery,
  AppsQuery,
  ChangePlatformAppBody,
  CreatePlatformAppBody,
  CreatedPlatformAppReply,
  PlatformAppReply,
  PlatformAppsReply,
  StripeStatusReply,
  SuccessReply,
  WorkspacesReply,
} from "../../wire/platform.ts";

const MAX_APPS = 1000;
/** Lists sort by name or by age. `updated_date` is the creation date. */
const SORTS: Readonly<Record<string, (a: AppRow, b: AppRow) => number>> = {
  name: (a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)),
  created_date: (a, b) => a.created_at - b.created_at,
  updated_date: (a, b) => a.created_at - b.created_at,
};

export function platformRoutes(server: HttpServer, context: HttpContext): void {
  appListRoutes(server, context);
  appRoutes(server, context);
  workspaceRoute(server, context);
  stripeRoutes(server, context);
}

function appListRoutes(server: HttpServer, context: HttpContext): void {
  const { apps, appProfiles, authorization } = context;

  server.get(
    "/api/apps",
    { schema: { querystring: AppsQuery, response: { 200: PlatformAppsReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      const { sort = "-updated_date", fields, limit } = request.query;
      const list = sorted(await appsOf(context, builder), sort).slice(
        0,
        Math.min(countOf("limit", limit, 9_999), MAX_APPS),
      );
      const profiles = await appProfiles.list(list.map(({ id }) => id));
      return list.map((one) => onlyFields({ ...shapeOf(one), ...profileFields(profiles.get(one.id)) }, fields));
    },
  );

  server.post(
    "/api/apps",
    { schema: { body: CreatePlatformAppBody, response: { 200: CreatedPlatformAppReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      const { name, organization_id, user_description = null, public_settings = null } = request.body;
      const workspace_id = await workspaceForApps(context, builder, organization_id ?? undefined);
      await authorization.require(builder, workspace_id, "app.create");
      const app_id = await apps.add(name, workspace_id);
      await appProfiles.put(app_id, { user_description, public_settings });
      context.audit.record({ app_id, actor: builder.actor, action: "app.create" });
      return { id: app_id };
    },
  );
}

function appRoutes(server: HttpServer, context: HttpContext): void {
  const { apps, appProfiles } = context;

  server.get(
    "/api/apps/:app",
    { schema: { params: AppParams, querystring: AppQuery, response: { 200: PlatformAppReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "app.read");
      const profiles = await appProfiles.list([app_id]);
      return onlyFields(
        { ...shapeOf(await apps.get(app_id)), ...profileFields(profiles.get(app_id)) },
        request.query.fields,
      );
    },
  );

  server.put(
    "/api/apps/:app",
    { schema: { params: AppParams, body: ChangePlatformAppBody, response: { 200: PlatformAppReply } } },
    async (request) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "app.rename");
      const { user_description = null, public_settings = null } = request.body;
      await appProfiles.put(app_id, { user_description, public_settings });
      context.audit.record({ app_id, actor, action: "app.change" });
      const profiles = await appProfiles.list([app_id]);
      return { ...shapeOf(await apps.get(app_id)), ...profileFields(profiles.get(app_id)) };
    },
  );
}

function workspaceRoute(server: HttpServer, context: HttpContext): void {
  server.get("/api/workspace/workspaces", { schema: { response: { 200: WorkspacesReply } } }, async (request) => {
    const builder = await requireBuilder(context, request);
    const workspaces = await context.authorization.workspaces(builder);
    return {
      workspaces: workspaces.map(({ id, name, role, plan }) => ({
        id,
        name,
        user_role: role,
        subscription_tier: plan,
        is_enterprise: plan === "enterprise",
      })),
    };
  });
}

const STRIPE = "/api/apps/:app/payments/stripe";

function stripeRoutes(server: HttpServer, context: HttpContext): void {
  // Without this reply the public command line fails a whole pull of connectors.
  server.get(
    `${STRIPE}/status`,
    { schema: { params: AppParams, response: { 200: StripeStatusReply } } },
    async (request) => {
      await requireAppBuilder(context, request, request.params.app, "connector.read");
      return { stripe_mode: null };
    },
  );

  server.post(`${STRIPE}/install`, { schema: { params: AppParams } }, async (request) => {
    await requireAppBuilder(context, request, request.params.app, "connector.connect");
    throw new CodedError("stripe_unsupported");
  });

  server.delete(STRIPE, { schema: { params: AppParams, response: { 200: SuccessReply } } }, async (request) => {
    await requireAppBuilder(context, request, request.params.app, "connector.disconnect");
    return { success: true };
  });
}

interface PlatformApp {
  readonly id: string;
  readonly name: string;
  readonly is_managed_source_code: boolean;
  readonly organization_id: string;
  readonly created_date: string;
  readonly user_description?: string;
  readonly public_settings?: string;
}

function shapeOf({ id, name, workspace_id, created_at }: AppRow): PlatformApp {
  const created_date = new Date(created_at).toISOString();
  return { id, name, is_managed_source_code: false, organization_id: workspace_id, created_date };
}

function profileFields(
  profile: { readonly user_description: string | null; readonly public_settings: string | null } | undefined,
): Pick<PlatformApp, "user_description" | "public_settings"> {
  const { user_description = null, public_settings = null } = profile ?? {};
  return {
    ...(user_description === null ? {} : { user_description }),
    ...(public_settings === null ? {} : { public_settings }),
  };
}

/** Returns the fields that `fields=id,name` lists, and always the id. */
function onlyFields({ id, ...rest }: PlatformApp, fields: string | undefined): Partial<PlatformApp> & { id: string } {
  if (fields === undefined) return { id, ...rest };
  const wanted = new Set(fields.split(",").map((field) => field.trim()));
  return { id, ...Object.fromEntries(Object.entries(rest).filter(([name]) => wanted.has(name))) };
}

/** Sorts by a field, in reverse with a leading `-`. An unknown field sorts by age. */
function sorted(list: readonly AppRow[], sort: string): readonly AppRow[] {
  const compare = SORTS[sort.replace(/^-/, "")] ?? SORTS["created_date"];
  const upwards = list.toSorted(compare);
  return sort.startsWith("-") ? upwards.toReversed() : upwards;
}

/**
 * The platform as the public command line expects it around connectors: apps, workspaces, stripe. Shapes are the contract's;
 * our own management of the same things is management.ts.
 */
import { ApiError } from "../../core/errors.ts";
import { asWorkspaceId } from "../../core/ids.ts";
import { roleReaches } from "../../core/roles.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import { ACTIONS, type BuilderPrincipal } from "../../service/access/authorization.ts";
import type { HttpServer } from "../fastify.ts";
import { requireAppBuilder, requireBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { appsOf } from "./visible-apps.ts";
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
/** Apps change in nothing that a list could be sorted by but their name. */
const SORTS: Readonly<Record<string, (a: AppRow, b: AppRow) => number>> = {
  name: (a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)),
  created_date: (a, b) => a.created_at - b.created_at,
  updated_date: (a, b) => a.created_at - b.created_at,
};

export function platformRoutes(app: HttpServer, context: HttpContext): void {
  const { apps, appProfiles, authorization, audit } = context;

  /** The first one where the builder may create apps. Who is in none creates nothing. */
  async function ownWorkspace(builder: BuilderPrincipal): Promise<string> {
    const all = await authorization.workspaces(builder);
    const own = all.find(({ role }) => roleReaches(role, ACTIONS["app.create"])) ?? all[0];
    if (own === undefined) throw new ApiError("not_found", { message: "You are in no workspace." });
    return own.id;
  }

  app.get(
    "/api/apps",
    { schema: { querystring: AppsQuery, response: { 200: PlatformAppsReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      const { sort = "-updated_date", fields, limit } = request.query;
      const list = sorted(await appsOf(context, builder), sort).slice(0, limitOf(limit));
      const profiles = await appProfiles.of(list.map(({ id }) => id));
      return list.map((one) => onlyFields({ ...shapeOf(one), ...given(profiles.get(one.id)) }, fields));
    },
  );

  app.post(
    "/api/apps",
    { schema: { body: CreatePlatformAppBody, response: { 200: CreatedPlatformAppReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      const { name, organization_id, user_description = null, public_settings = null } = request.body;
      const workspace_id = asWorkspaceId(organization_id ?? (await ownWorkspace(builder)));
      await authorization.require(builder, workspace_id, "app.create");
      const app_id = await apps.add(name, workspace_id);
      await appProfiles.put(app_id, { user_description, public_settings });
      audit.record({ app_id, actor: builder.actor, action: "app.create", target: null, request_id: request.id });
      return { id: app_id };
    },
  );

  app.get(
    "/api/apps/:app",
    { schema: { params: AppParams, querystring: AppQuery, response: { 200: PlatformAppReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "app.read");
      const profiles = await appProfiles.of([app_id]);
      return onlyFields({ ...shapeOf(await apps.get(app_id)), ...given(profiles.get(app_id)) }, request.query.fields);
    },
  );

  app.put(
    "/api/apps/:app",
    { schema: { params: AppParams, body: ChangePlatformAppBody, response: { 200: PlatformAppReply } } },
    async (request) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "app.rename");
      const { user_description = null, public_settings = null } = request.body;
      await appProfiles.put(app_id, { user_description, public_settings });
      audit.record({ app_id, actor, action: "app.change", target: null, request_id: request.id });
      const profiles = await appProfiles.of([app_id]);
      return { ...shapeOf(await apps.get(app_id)), ...given(profiles.get(app_id)) };
    },
  );

  app.get("/api/workspace/workspaces", { schema: { response: { 200: WorkspacesReply } } }, async (request) => {
    const builder = await requireBuilder(context, request);
    const workspaces = await authorization.workspaces(builder);
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

  const STRIPE = "/api/apps/:app/payments/stripe";

  /** A pull of connectors fails as a whole without this answer. */
  app.get(
    `${STRIPE}/status`,
    { schema: { params: AppParams, response: { 200: StripeStatusReply } } },
    async (request) => {
      await requireAppBuilder(context, request, request.params.app, "connector.read");
      return { stripe_mode: null };
    },
  );

  app.post(`${STRIPE}/install`, { schema: { params: AppParams } }, async (request) => {
    await requireAppBuilder(context, request, request.params.app, "connector.connect");
    throw new ApiError("stripe_unsupported");
  });

  app.delete(STRIPE, { schema: { params: AppParams, response: { 200: SuccessReply } } }, async (request) => {
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

function given(
  profile: { readonly user_description: string | null; readonly public_settings: string | null } | undefined,
): Pick<PlatformApp, "user_description" | "public_settings"> {
  const { user_description = null, public_settings = null } = profile ?? {};
  return {
    ...(user_description === null ? {} : { user_description }),
    ...(public_settings === null ? {} : { public_settings }),
  };
}

/** `fields=id,name`: those that there are; the id always. */
function onlyFields({ id, ...rest }: PlatformApp, fields: string | undefined): Partial<PlatformApp> & { id: string } {
  if (fields === undefined) return { id, ...rest };
  const wanted = new Set(fields.split(",").map((field) => field.trim()));
  return { id, ...Object.fromEntries(Object.entries(rest).filter(([name]) => wanted.has(name))) };
}

/** `-name`: backwards. What cannot be sorted by is sorted by age. */
function sorted(list: readonly AppRow[], sort: string): readonly AppRow[] {
  const compare = SORTS[sort.replace(/^-/, "")] ?? SORTS["created_date"];
  const upwards = list.toSorted(compare);
  return sort.startsWith("-") ? upwards.toReversed() : upwards;
}

function limitOf(limit: string | undefined): number {
  if (limit === undefined) return MAX_APPS;
  if (!/^[1-9]\d{0,3}$/.test(limit)) {
    const message = `a whole number from 1 to ${MAX_APPS}`;
    throw new ApiError("invalid_field", { errors: [{ name: "limit", message }] });
  }
  return Math.min(Number(limit), MAX_APPS);
}

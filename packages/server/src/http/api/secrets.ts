/** Secrets of an app, for its builders. No reply contains a value. */
import { Secret } from "../../core/secret.ts";
import { jsonBodyLimit } from "../../core/functions/function-limits.ts";
import type { HttpServer } from "../fastify.ts";
import { requireAppBuilder } from "../auth.ts";
import { reserveBody } from "../body-budget.ts";
import type { ByteBudget } from "../byte-budget.ts";
import type { HttpContext } from "../context.ts";
import { AppParams } from "../../wire/fields.ts";
import { checkSecrets, SecretQuery, SecretsBody, SecretsReply } from "../../wire/functions.ts";
import { SuccessReply } from "../../wire/platform.ts";

const BASE = "/api/apps/:app/secrets";
/** The public command line shows names only. */
const MASK = "********";

export function secretRoutes(server: HttpServer, context: HttpContext, budget: ByteBudget): void {
  const { appSecrets, audit, config } = context;
  const { app_secrets, app_secret_bytes } = config.limits;
  const body_limit = jsonBodyLimit(app_secrets * app_secret_bytes, config.limits);

  server.get(BASE, { schema: { params: AppParams, response: { 200: SecretsReply } } }, async (request) => {
    const { app_id } = await requireAppBuilder(context, request, request.params.app, "secret.read");
    return Object.fromEntries((await appSecrets.list(app_id)).map((name) => [name, MASK]));
  });

  server.post(
    BASE,
    {
      schema: { params: AppParams, body: SecretsBody, response: { 200: SuccessReply } },
      bodyLimit: body_limit,
      // Before reading the body, which could fill the memory.
      onRequest: async (request, reply) => {
        const { app_id } = await requireAppBuilder(context, request, request.params.app, "secret.manage");
        reserveBody(budget, { app_id, body_limit }, request, reply);
      },
    },
    async (request) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "secret.manage");
      const values = checkSecrets(request.body);
      await appSecrets.set(
        app_id,
        Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Secret(value)])),
      );
      for (const name of Object.keys(values)) audit.record({ app_id, actor, action: "secret.set", target: name });
      return { success: true };
    },
  );

  server.delete(
    BASE,
    { schema: { params: AppParams, querystring: SecretQuery, response: { 200: SuccessReply } } },
    async (request) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "secret.manage");
      const { secret_name } = request.query;
      const success = await appSecrets.remove(app_id, secret_name);
      if (success) audit.record({ app_id, actor, action: "secret.delete", target: secret_name });
      return { success };
    },
  );
}

/** Health checks: report whether the process runs, and whether it can serve. */
import { Type } from "typebox";
import type { HttpServer } from "../fastify.ts";
import type { HttpContext } from "../context.ts";

const Reply = Type.Object({ status: Type.String() });

export function healthRoutes(server: HttpServer, context: HttpContext): void {
  server.get("/healthz", { schema: { response: { 200: Reply } } }, () => Promise.resolve({ status: "ok" }));

  server.get("/readyz", { schema: { response: { 200: Reply, 503: Reply } } }, async (_request, reply) => {
    const ready = await context.ready();
    return await reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not ready" });
  });
}

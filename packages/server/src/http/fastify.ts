/** The type of the Fastify instance: handlers get their types from TypeBox schemas. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";

export type HttpServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** True for a route that running functions can call. See bridge.ts. */
    readonly bridge?: boolean;
    /**
     * True for a route that calls a function: it reads its body itself (expect.ts), and also
     * answers on the functions' hosts (functions-host.ts).
     */
    readonly calls_function?: boolean;
  }
}

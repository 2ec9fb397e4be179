/**
 * The type of the Fastify instance, whose handlers get their types from TypeBox schemas, and its
 * compilers of requests and replies.
 */
import { AjvCompiler } from "@fastify/ajv-compiler";
import SerializerSelector from "@fastify/fast-json-stringify-compiler";
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

/** Compiles the schemas of requests: each once in a process, however many servers it opens. */
export const buildValidator = AjvCompiler();

/**
 * Compiles the schema of a reply when the first such reply is sent. All of them at the start take
 * about 25 ms, and a process sends few kinds.
 */
export const buildSerializer: SerializerSelector.SerializerFactory = (external_schemas, options) => {
  const compile = SerializerSelector()(external_schemas, options);
  return (route) => {
    let serialize: SerializerSelector.Serializer | null = null;
    return (value) => (serialize ??= compile(route))(value);
  };
};

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

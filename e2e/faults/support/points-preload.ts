/**
 * Loaded before the server by `node --import`: puts named points between the refresh engine and everything it asks for, so
 * that a test can kill, stop or fail the process there. Production code has no switch for it: only the module which
 * assembles the server is given another `service/refresh/refresh.ts`, and only in a process that was started this way.
 */
import { flushCompileCache, registerHooks } from "node:module";

const SHIM = new URL("points-shim.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith("/refresh/refresh.ts") && context.parentURL?.endsWith("/src/service/services.ts") === true
      ? { url: SHIM, format: "module-typescript", shortCircuit: true }
      : next(specifier, context),
});

/** A process that is killed never writes what it compiled, and hundreds of them start here. */
const COMPILED_AFTER_MS = 1_500;
setTimeout(flushCompileCache, COMPILED_AFTER_MS).unref();

/**
 * Loaded before the server by `node --import`. Adds named points between the refresh engine and its
 * dependencies, where a test can kill, stop or fail the process. Production code has no switch for
 * this. Only `service/services.ts` gets another `service/refresh/refresh.ts`, and only in a process
 * started this way.
 */
import { flushCompileCache, registerHooks } from "node:module";

const SHIM = new URL("points-shim.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith("/refresh/refresh.ts") && context.parentURL?.endsWith("/src/service/services.ts") === true
      ? { url: SHIM, format: "module-typescript", shortCircuit: true }
      : next(specifier, context),
});

/** A killed process never writes its compile cache, and hundreds of processes start here. */
const FLUSH_AFTER_MS = 1_500;
setTimeout(flushCompileCache, FLUSH_AFTER_MS).unref();

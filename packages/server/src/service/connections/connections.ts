/**
 * The connections room owns access tokens on their way to callers: it serves, lists, verifies,
 * disconnects and removes connections. A token that works is served, even if the provider or a
 * refresh fails. A dead token is never served. Errors say who must act, and where.
 *
 * Must not know HTTP, SQL, or how a refresh works. Tokens leave only as Secret.
 */
import { disconnect, list, remove } from "./manage.ts";
import { serve } from "./serve.ts";
import type { Connections, ConnectionsDeps, ServeDeps, VerifyDeps } from "./types.ts";
import { verify } from "./verify.ts";

export function createConnections(deps: ConnectionsDeps): Connections {
  const room: ServeDeps & VerifyDeps = { ...deps, refreshing: new Set(), recheck_at: new Map() };
  return {
    get: (app_id, integration_type, requirements) => serve(room, app_id, integration_type, requirements),
    list: (app_id) => list(room, app_id),
    verify: (app_id) => verify(room, app_id),
    disconnect: (app_id, integration_type) => disconnect(room, app_id, integration_type),
    remove: (app_id, integration_type) => remove(room, app_id, integration_type),
  };
}

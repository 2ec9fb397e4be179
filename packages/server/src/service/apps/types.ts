/** The dependencies of this room's verbs. Types only. */
import type { ApiKeys } from "../access/api-keys.ts";
import type { Credentials } from "../access/credentials.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { Ground } from "../ground.ts";

export interface AppsDeps extends Pick<Ground, "store" | "vault" | "limits" | "default_plan"> {
  readonly revocations: Revocations;
  readonly cache: TokenCache;
  readonly apiKeys: ApiKeys;
  readonly credentials: Pick<Credentials, "clear">;
}

/** Dependencies and request headers shared within oauth/. */
import type { Limits } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpClient } from "../net/outbound.ts";
import { USER_AGENT } from "../net/user-agent.ts";

export interface OAuthDeps {
  readonly httpClient: HttpClient;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** Merges headers. Later ones win. Names become lowercase, so that no header is sent twice. */
export function providerHeaders(...own: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const pairs = own.flatMap((headers) => Object.entries(headers)).map(([name, value]) => [name.toLowerCase(), value]);
  return { "user-agent": USER_AGENT, ...Object.fromEntries(pairs) };
}

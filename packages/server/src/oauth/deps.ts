/** What the parts of oauth/ share: their collaborators and the name they go by. */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpClient } from "../net/http-client.ts";
import { USER_AGENT } from "../net/user-agent.ts";

export interface OAuthDeps {
  readonly httpClient: HttpClient;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** Our headers, then the provider's. Names in lower case, or one that both set would be sent twice. */
export function providerHeaders(...own: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const pairs = own.flatMap((headers) => Object.entries(headers)).map(([name, value]) => [name.toLowerCase(), value]);
  return { "user-agent": USER_AGENT, ...Object.fromEntries(pairs) };
}

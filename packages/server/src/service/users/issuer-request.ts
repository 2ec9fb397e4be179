/** One GET to an issuer. Follows no redirect: it could lead into a private network. */
import type { JsonObject, JsonValue } from "../../core/types.ts";
import { isJsonObject } from "../../core/types.ts";
import { decodeUtf8, parseJson } from "../../net/json.ts";
import { USER_AGENT } from "../../net/user-agent.ts";
import type { IssuerDeps, OpenIssuer } from "./types.ts";

export interface IssuerReply {
  readonly kind: "reply";
  readonly status: number;
  /** Null if the body is not a JSON object. */
  readonly body: JsonObject | null;
}

/** `reason`: a word for the log, such as `timeout` or `key_set_500`. */
export interface Unavailable {
  readonly kind: "unavailable";
  readonly reason: string;
}

export const unavailable = (reason: string): Unavailable => ({ kind: "unavailable", reason });

/** Returns the response, or why there is none within the limits. */
export async function getFrom(
  deps: IssuerDeps,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<IssuerReply | Unavailable> {
  const response = await deps.httpClient.send({
    method: "GET",
    url,
    headers: { accept: "application/json", "user-agent": USER_AGENT, ...headers },
    deadline_ms: deps.limits.issuer_deadline_ms,
  });
  if (response.kind !== "response") return unavailable(response.reason);
  if (!response.complete) return unavailable("too_large");
  const text = decodeUtf8(response.body);
  const value: JsonValue | undefined = text === null ? undefined : parseJson(text);
  return { kind: "reply", status: response.status, body: isJsonObject(value) ? value : null };
}

/** Logs why an issuer's tokens cannot be verified, which its app's builder has to resolve. */
export function logUnavailable({ log }: Pick<IssuerDeps, "log">, { id, app_id }: OpenIssuer, reason: string): void {
  log.warn("issuer_unavailable", { app_id, issuer_id: id, reason });
}

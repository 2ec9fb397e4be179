/**
 * Creates a client from the request that a backend function received. Owns the reading of its
 * headers. `client.ts` decides how they are sent.
 */
import { createClient } from "./client.ts";
import type { HoldfastClient, IncomingRequest, RequestClientOptions } from "./types.ts";

/**
 * Creates a client from the request that a backend function received. Its headers name the server,
 * the app, the service token and the user. They are trusted: the function runner sets them and
 * drops those that an outsider sent.
 *
 * @throws Error if `Base44-App-Id` or `Base44-Api-Url` is missing. Also if `Authorization` or
 * `Base44-Service-Authorization` is present but is not exactly `Bearer <token>`: RFC 6750 §2.1,
 * with one space and a capital B.
 */
export function createClientFromRequest(request: IncomingRequest, options: RequestClientOptions = {}): HoldfastClient {
  const read = (name: string) => request.headers.get(name);
  const appId = read("Base44-App-Id");
  if (!appId)
    throw new Error(
      "The request has no Base44-App-Id header: call the function through the Holdfast server, which adds it",
    );
  const serverUrl = options.serverUrl ?? read("Base44-Api-Url");
  if (!serverUrl) {
    throw new Error(
      "The request has no Base44-Api-Url header: call the function through the Holdfast server, which adds it, or pass { serverUrl } as the second argument",
    );
  }
  const state = read("Base44-State");
  const dataEnv = read("X-Data-Env");
  return createClient({
    serverUrl,
    appId,
    token: bearer("Authorization", read("Authorization")),
    serviceToken: bearer("Base44-Service-Authorization", read("Base44-Service-Authorization")),
    headers: {
      ...(state ? { "Base44-State": state } : {}),
      // Only the two known values: a caller can put any other value into the request.
      ...(dataEnv === "dev" || dataEnv === "prod" ? { "X-Data-Env": dataEnv } : {}),
    },
    fetch: options.fetch,
  });
}

function bearer(name: string, value: string | null): string | undefined {
  if (value === null) return undefined;
  const token = /^Bearer (\S+)$/.exec(value)?.[1];
  if (token === undefined) throw new Error(`The request's ${name} header must be exactly "Bearer <token>", or absent`);
  return token;
}

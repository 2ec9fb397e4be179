/**
 * The gateway, a simulator that stands in for every provider. Separate from http-client.ts, so that
 * callers do not load undici.
 */

/** Returns the URL at which the gateway serves `https://HOST/PATH?q`: `GATEWAY/HOST/PATH?q`. */
export function throughGateway(gateway: string | null, url: string): string {
  return gateway === null ? url : `${gateway}/${url.slice("https://".length)}`;
}

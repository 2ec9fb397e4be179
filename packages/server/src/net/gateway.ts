/** Addresses behind a gateway, which stands in for every provider. Without undici, so that a caller can skip loading it. */

/** `https://HOST/PATH?q` as the gateway serves it: `GATEWAY/HOST/PATH?q`. */
export function throughGateway(gateway: string | null, url: string): string {
  return gateway === null ? url : `${gateway}/${url.slice("https://".length)}`;
}

/**
 * Resolves the name of a connection and checks every address it resolves to. The connection then
 * uses this result, so a name server that changes its answer a moment later (DNS rebinding) gains
 * nothing. A name with one address that is not allowed is refused as a whole: names of public
 * services have none.
 */
import { lookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";

export type AddressRule = (address: string) => boolean;

/** Resolves a name to all of its addresses, as `dns.lookup` does with `all`. */
export type Resolve = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

/** The `code` of the error for an address that is not allowed. */
export const ADDRESS_REFUSED = "ADDRESS_REFUSED";

const systemResolve: Resolve = (hostname, callback) => lookup(hostname, { all: true }, callback);

/** Returns the `lookup` option of a connection. A host that is an address never gets there. */
export function checkedLookup(isAllowed: AddressRule, resolve: Resolve = systemResolve): LookupFunction {
  return (hostname, { all }, callback) =>
    resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, "");
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => isAllowed(address)))
        return callback(Object.assign(new Error("This address is not allowed."), { code: ADDRESS_REFUSED }), "");
      return all === true ? callback(null, [...addresses]) : callback(null, first.address, first.family);
    });
}

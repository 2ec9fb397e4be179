/**
 * Each integration type with its hosts and the capabilities of its vendor. Derived from the
 * vendors, so a new vendor cannot be forgotten. Tests compare a catalog with it.
 */
import type { Capabilities, HostMatch, Vendor } from "./engine/types.ts";
import { vendors } from "./vendors/index.ts";

export interface Profile {
  /** `integration_type`. */
  readonly id: string;
  /** Names, and patterns for vendors with a host per account. */
  readonly hosts: readonly HostMatch[];
  /**
   * With the vendor's page for each. `supported: false` means that the vendor lacks it, not that
   * the simulator does.
   */
  readonly capabilities: Capabilities;
}

function hostsOf({ authorize, token, routes }: Vendor, id: string): HostMatch[] {
  const own = routes.filter(({ serves }) => serves === undefined || serves.includes(id));
  return [...new Set([authorize, token, ...own].flatMap(({ hosts }) => hosts))];
}

export const profiles: readonly Profile[] = vendors.flatMap((vendor) =>
  vendor.serves.map((id) => ({ id, hosts: hostsOf(vendor, id), capabilities: vendor.capabilities })),
);

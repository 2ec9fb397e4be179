/** What to tell somebody who named a service that is not there. */
import { ApiError } from "../core/errors.ts";
import { ID_PATTERN } from "../core/ids.ts";
import type { Catalog } from "../providers/index.ts";
import type { Provider } from "../providers/provider.ts";

export function unknownService(catalog: Catalog, name: string): ApiError {
  if (!ID_PATTERN.test(name)) return new ApiError("invalid_service");
  const nearest = catalog.nearest(name);
  if (nearest === null) return new ApiError("unknown_service");
  return new ApiError("unknown_service", {
    message: `This server knows no service "${name}". Did you mean "${nearest}"?`,
  });
}

/** @throws ApiError `invalid_service` or `unknown_service`, the latter with the nearest name */
export function requireProvider(catalog: Catalog, integration_type: string): Provider {
  const provider = ID_PATTERN.test(integration_type) ? catalog.get(integration_type) : null;
  if (provider === null) throw unknownService(catalog, integration_type);
  return provider;
}

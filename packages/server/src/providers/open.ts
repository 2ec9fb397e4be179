/** Opens the catalog: the built-in services, and those of the operator's directory if the configuration names one. */
import { createCatalog, type Catalog } from "./index.ts";

/**
 * Loads the checks of custom providers on demand: they are most of what a command would load.
 *
 * @throws ApiError `configuration`
 */
export async function openCatalog({ providers_dir }: { readonly providers_dir: string | null }): Promise<Catalog> {
  if (providers_dir === null) return createCatalog();
  const { loadCustomProviders } = await import("./custom.ts");
  return createCatalog(loadCustomProviders(providers_dir));
}

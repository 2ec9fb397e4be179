/** Opens the catalog: the built-in providers, plus the custom ones if a directory is configured. */
import { createCatalog, type Catalog } from "./index.ts";

/**
 * Creates the catalog. Loads the code for custom providers on demand, since it makes up most of the
 * startup time of a command.
 * @throws CodedError `configuration`
 */
export async function openCatalog({ providers_dir }: { readonly providers_dir: string | null }): Promise<Catalog> {
  if (providers_dir === null) return createCatalog();
  const { loadCustomProviders } = await import("./custom.ts");
  return createCatalog(loadCustomProviders(providers_dir));
}

/** The catalog, loaded on demand: its sixty definitions would slow down every other command. */
import { loadConfig } from "../../config.ts";
import type { Catalog } from "../../providers/index.ts";

export async function loadCatalog(): Promise<Catalog> {
  const { openCatalog } = await import("../../providers/open.ts");
  return openCatalog(loadConfig({}));
}

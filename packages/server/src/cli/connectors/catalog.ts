/** The catalog, loaded when a command needs it: sixty definitions and the library that checks the operator's own. */
import { loadConfig } from "../../config.ts";
import type { Catalog } from "../../providers/index.ts";

export async function loadCatalog(): Promise<Catalog> {
  const { openCatalog } = await import("../../providers/custom.ts");
  return openCatalog(loadConfig({}));
}

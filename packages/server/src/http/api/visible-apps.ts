/** The apps that a builder may see, of all workspaces or of one: what the contract's lists are made of. */
import type { AppRow } from "../../service/apps/apps.ts";
import type { BuilderPrincipal } from "../../service/access/authorization.ts";
import type { HttpContext } from "../context.ts";

export async function appsOf(
  { apps, authorization }: HttpContext,
  builder: BuilderPrincipal,
): Promise<readonly AppRow[]> {
  const workspaces = await authorization.workspaces(builder);
  return (await Promise.all(workspaces.map(({ id }) => apps.list(id)))).flat();
}

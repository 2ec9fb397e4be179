/** Parses `--config name=value …`. */
import { CodedError } from "../../core/errors.ts";
import type { ConnectionConfig } from "../../core/types.ts";

export function configFlag(pairs: readonly string[] | undefined): ConnectionConfig | null {
  if (pairs === undefined) return null;
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1)
        throw new CodedError("usage", {
          message: `--config takes name=value, such as subdomain=acme. Got "${pair.slice(0, 64)}".`,
        });
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

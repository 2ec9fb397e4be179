/** Certificate authorities that the operator trusts besides the public ones. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { readIfThere } from "./runtime.ts";
import type { Place } from "./types.ts";

/**
 * Returns the path of a copy that every job can read. A file that is missing would otherwise show
 * only as failed connections.
 *
 * @throws CodedError `configuration`
 */
export function copyAuthorities(root: string, path: string): string {
  const copy = join(root, "authorities.pem");
  const text = readIfThere(path);
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    const message = `NODE_EXTRA_CA_CERTS names ${path}, which is not a readable PEM file with certificates. Functions trust the authorities in it.`;
    throw new CodedError("configuration", { message });
  }
  writeFileSync(copy, text, { encoding: "latin1", mode: 0o644 });
  return copy;
}

/** Makes Deno trust further certificate authorities besides its own list. */
export const authoritiesVariable = ({ authorities }: Place): Readonly<Record<string, string>> =>
  authorities === null ? {} : { DENO_CERT: authorities };

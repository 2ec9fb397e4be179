/** Certificate authorities that the operator trusts besides the public ones. */
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { readIfThere } from "./runtime.ts";
import type { Place } from "./types.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/**
 * Returns the path of a copy that every job can read. A missing file would otherwise show only as
 * failed connections, and a damaged one as functions that do not start.
 *
 * @throws CodedError `configuration`
 */
export function copyAuthorities(root: string, path: string): string {
  const copy = join(root, "authorities.pem");
  const text = readIfThere(path);
  if (!hasCertificates(text)) {
    const message = `NODE_EXTRA_CA_CERTS names ${path}, which is not a readable PEM file with certificates. Functions trust the authorities in it.`;
    throw new CodedError("configuration", { message });
  }
  writeFileSync(copy, text, { encoding: "latin1", mode: 0o644 });
  return copy;
}

/** Reports whether a PEM text has certificates, and all of them parse. */
function hasCertificates(text: string): boolean {
  const blocks = text.match(CERTIFICATE) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block)).length > 0;
  } catch {
    return false;
  }
}

/** Makes Deno trust the authorities, in addition to its own list. */
export const authoritiesVariable = ({ authorities }: Place): Readonly<Record<string, string>> =>
  authorities === null ? {} : { DENO_CERT: authorities };

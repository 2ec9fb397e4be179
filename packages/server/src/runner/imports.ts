/**
 * Classifies the imports of a function. Pure. bundle.ts checks where a path leads.
 *
 * Deno's permissions do not cover static imports: `import x from "/etc/passwd" with { type: "text"
 * }` works without --allow-read. So each specifier is checked here, before Deno sees it.
 */
import { isBuiltin } from "node:module";

export type SdkName = "@base44/sdk" | "@holdfast/sdk";

export type ImportClass =
  | { readonly kind: "relative" }
  | { readonly kind: "builtin" }
  | { readonly kind: "runtime" }
  | { readonly kind: "sdk"; readonly name: SdkName; readonly range: string | null }
  /** `why` completes "The function imports X, which …". */
  | { readonly kind: "refused"; readonly why: string };

const SDK = /^npm:\/?(@base44\/sdk|@holdfast\/sdk)(?:@([^/]+))?$/;
const AVAILABLE =
  "Available are npm:@base44/sdk, npm:@holdfast/sdk, node: modules, and files of the function's own folder.";

const refused = (why: string): ImportClass => ({ kind: "refused", why });

/** Returns the class of an import specifier. */
export function classifyImport(specifier: string): ImportClass {
  if (/^\.\.?\//.test(specifier)) return { kind: "relative" };
  if (specifier === "base44:runtime") return { kind: "runtime" };
  const [, name, range] = SDK.exec(specifier) ?? [];
  if (name === "@base44/sdk" || name === "@holdfast/sdk") return { kind: "sdk", name, range: range ?? null };
  if (specifier.startsWith("node:")) {
    return isBuiltin(specifier) ? { kind: "builtin" } : refused("is not a Node.js module.");
  }
  if (/^(npm|jsr):/.test(specifier)) return refused(`this server does not have. ${AVAILABLE}`);
  if (/^https?:/.test(specifier))
    return refused("is on the network. Save it in the function's own folder and import it from there.");
  if (/^(file:|\/|\\|[A-Za-z]:[\\/])/.test(specifier)) {
    return refused("is an absolute path. A function can import only files of its own folder, by ./ and ../");
  }
  if (isBuiltin(specifier)) return refused(`must be written node:${specifier}.`);
  if (specifier === "@base44/sdk" || specifier === "@holdfast/sdk") return refused(`must be written npm:${specifier}.`);
  return refused(`cannot be found. ${AVAILABLE}`);
}

/**
 * Reports whether `installed` satisfies a range: an exact version, ^, ~, `0.8`, `*` or `latest`.
 */
export function acceptsVersion(range: string | null, installed: string): boolean {
  if (range === null || range === "*" || range === "latest" || range === `=${installed}`) return true;
  const [, operator, text] = /^([\^~]?)(\d+(?:\.(?:\d+|x))*)$/.exec(range) ?? [];
  if (text === undefined) return range === installed;
  const wanted = text
    .split(".")
    .filter((part) => part !== "x")
    .map(Number);
  const have = installed.split(".").map(Number);
  // ^0.8.4 fixes 0.8, ^1.2.3 fixes 1, ~1.2.3 fixes 1.2. Without an operator, all given parts are
  // fixed.
  const firstSet = Math.min(wanted.findIndex((part) => part !== 0) + 1 || wanted.length, wanted.length);
  const fixed = operator === "^" ? firstSet : operator === "~" ? Math.min(2, wanted.length) : wanted.length;
  if (wanted.slice(0, fixed).some((part, index) => part !== have[index])) return false;
  const rest = wanted.slice(fixed).map((part, index) => (have[fixed + index] ?? 0) - part);
  return (rest.find((difference) => difference !== 0) ?? 0) >= 0;
}

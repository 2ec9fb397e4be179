/**
 * Which imports a function may have. Pure: specifier in, verdict out; what a path leads to is checked in bundle.ts.
 *
 * Deno's permissions do not cover imports that it can read off the source: `import x from "/etc/passwd" with
 * { type: "text" }` works without --allow-read. So each specifier is judged here, before Deno sees any.
 */
import { isBuiltin } from "node:module";

export type SdkName = "@base44/sdk" | "@holdfast/sdk";

export type Verdict =
  | { readonly kind: "relative" }
  | { readonly kind: "builtin" }
  | { readonly kind: "runtime" }
  | { readonly kind: "sdk"; readonly name: SdkName; readonly range: string | null }
  /** `why` completes the sentence "the function imports X, which …". */
  | { readonly kind: "refused"; readonly why: string };

const SDK = /^npm:\/?(@base44\/sdk|@holdfast\/sdk)(?:@([^/]+))?$/;
const AVAILABLE =
  "Available are npm:@base44/sdk, npm:@holdfast/sdk, node: modules, and files of the function's own folder.";

const refused = (why: string): Verdict => ({ kind: "refused", why });

export function judgeImport(specifier: string): Verdict {
  if (/^\.\.?\//.test(specifier)) return { kind: "relative" };
  if (specifier === "base44:runtime") return { kind: "runtime" };
  const [, name, range] = SDK.exec(specifier) ?? [];
  if (name === "@base44/sdk" || name === "@holdfast/sdk") return { kind: "sdk", name, range: range ?? null };
  if (specifier.startsWith("node:")) {
    return isBuiltin(specifier) ? { kind: "builtin" } : refused("is no module of Node.js.");
  }
  if (/^(npm|jsr):/.test(specifier)) return refused(`this server does not have. ${AVAILABLE}`);
  if (/^https?:/.test(specifier))
    return refused("lies on the network. Save it in the function's own folder and import it from there.");
  if (/^(file:|\/|\\|[A-Za-z]:[\\/])/.test(specifier)) {
    return refused("is an absolute path. A function may import only files of its own folder, by ./ and ../");
  }
  if (isBuiltin(specifier)) return refused(`must be written node:${specifier}.`);
  if (specifier === "@base44/sdk" || specifier === "@holdfast/sdk") return refused(`must be written npm:${specifier}.`);
  return refused(`cannot be found. ${AVAILABLE}`);
}

/** Whether the installed version satisfies what stands after `npm:name@`. Knows exact versions, ^, ~, `0.8`, `*` and `latest`. */
export function acceptsVersion(range: string | null, installed: string): boolean {
  if (range === null || range === "*" || range === "latest" || range === `=${installed}`) return true;
  const [, operator, text] = /^([\^~]?)(\d+(?:\.(?:\d+|x))*)$/.exec(range) ?? [];
  if (text === undefined) return range === installed;
  const wanted = text
    .split(".")
    .filter((part) => part !== "x")
    .map(Number);
  const have = installed.split(".").map(Number);
  // ^0.8.4 keeps 0.8, ^1.2.3 keeps 1, ~1.2.3 keeps 1.2, and without an operator all that is written must agree.
  const firstSet = Math.min(wanted.findIndex((part) => part !== 0) + 1 || wanted.length, wanted.length);
  const fixed = operator === "^" ? firstSet : operator === "~" ? Math.min(2, wanted.length) : wanted.length;
  if (wanted.slice(0, fixed).some((part, index) => part !== have[index])) return false;
  const rest = wanted.slice(fixed).map((part, index) => (have[fixed + index] ?? 0) - part);
  return (rest.find((difference) => difference !== 0) ?? 0) >= 0;
}

/**
 * Classifies the imports of a function's own files. Pure. tree.ts checks where a relative path
 * leads.
 *
 * An allow-list: every other specifier is refused. Deno's permissions do not cover static imports:
 * `import x from "/etc/passwd" with { type: "text" }` works without --allow-read.
 */
import { isBuiltin } from "node:module";

export const SDK_NAMES = ["@base44/sdk", "@holdfast/sdk"] as const;
export type SdkName = (typeof SDK_NAMES)[number];

export type ImportClass =
  | { readonly kind: "relative" }
  /** `path` starts with `node:`. */
  | { readonly kind: "builtin"; readonly path: string }
  | { readonly kind: "runtime" }
  | { readonly kind: "sdk"; readonly name: SdkName; readonly range: string | null }
  /** Fetched by Deno: `npm:`, `jsr:` or `https:`. */
  | { readonly kind: "remote" }
  /** `why` completes "The function imports X, which …". */
  | { readonly kind: "refused"; readonly why: string };

const SDK = /^npm:\/?(@base44\/sdk|@holdfast\/sdk)(?:@([^/]+))?(\/.*)?$/;
const NPM = /^npm:\/?(?:@[\w~-][\w~.-]*\/)?[\w~-][\w~.-]*(?:@[^/:\s]+)?(?:\/[^\s]*)?$/;
const JSR = /^jsr:\/?@[a-z0-9-]+\/[a-z0-9-]+(?:@[^/\s]+)?(?:\/[^\s]*)?$/;
const URL_SHAPE = /^https:\/\/[\w[][^\s\\]*$/;
const BARE = /^(?:@[\w~.-]+\/)?[\w~-][\w~.-]*(?:\/[\w~./-]*)?$/;

const refused = (why: string): ImportClass => ({ kind: "refused", why });

/** Returns the class of an import specifier. `pinned`: versions of @base44/sdk that are fetched. */
export function classifyImport(specifier: string, pinned: readonly string[] = []): ImportClass {
  if (/^\.\.?\//.test(specifier)) return { kind: "relative" };
  if (specifier === "base44:runtime") return { kind: "runtime" };
  const sdk = classifySdk(specifier, pinned);
  if (sdk !== null) return sdk;
  if (NPM.test(specifier) || JSR.test(specifier)) return { kind: "remote" };
  if (specifier.startsWith("node:"))
    return isBuiltin(specifier) ? { kind: "builtin", path: specifier } : refused("is not a Node.js module.");
  if (specifier.startsWith("https://")) return classifyUrl(specifier);
  return refused(whyNot(specifier));
}

/** Returns null if the specifier is not an SDK's. */
function classifySdk(specifier: string, pinned: readonly string[]): ImportClass | null {
  const [, name, range = null, subpath] = SDK.exec(specifier) ?? [];
  if (name !== "@base44/sdk" && name !== "@holdfast/sdk") return null;
  if (subpath !== undefined) return refused(`is a file inside the SDK. Import npm:${name} itself.`);
  if (name === "@base44/sdk" && range !== null && pinned.includes(range)) return { kind: "remote" };
  return { kind: "sdk", name, range };
}

function classifyUrl(specifier: string): ImportClass {
  const url = URL.parse(specifier);
  // A URL parser also accepts spaces, backslashes, and more or fewer slashes.
  if (url === null || !URL_SHAPE.test(specifier)) return refused("is not a URL.");
  if (url.username !== "" || url.password !== "") return refused("contains a username or a password. Remove it.");
  return { kind: "remote" };
}

function whyNot(specifier: string): string {
  if (/^(file:|\/|\\|[a-z]:[\\/])/i.test(specifier))
    return "is an absolute path. A function can import only files of its own folder, by ./ and ../";
  if (/^(data|blob):/i.test(specifier)) return "is not a file. Save the module in the function's own folder.";
  if (/^http:/i.test(specifier)) return "is not encrypted. Write https://";
  if (/^(npm|jsr):/i.test(specifier)) return "is not the name of a package.";
  if (isBuiltin(specifier)) return `must be written node:${specifier}.`;
  if (specifier === "@base44/sdk" || specifier === "@holdfast/sdk") return `must be written npm:${specifier}.`;
  const hint = BARE.test(specifier)
    ? `Write npm:${specifier}, or add it to "imports" in the function's deno.json.`
    : "Packages are imported as npm:NAME or jsr:@SCOPE/NAME, and files as ./PATH.";
  return `cannot be found. ${hint}`;
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

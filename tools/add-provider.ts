/**
 * Adds a provider to the catalog from the template: `npm exec -- node tools/add-provider.ts
 * acmedocs`.
 *
 * It creates catalog/<id>.ts and adds a line to the list in providers/index.ts. It also adds a line
 * to the rotation classes in the catalog's test, so the choice of class shows up in review. The
 * developer then fills in the facts by hand.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const TEMPLATE = "docs/templates/provider.ts.txt";
const CATALOG = "packages/server/src/providers/catalog";
const INDEX = "packages/server/src/providers/index.ts";
const TEST = "packages/server/test/providers/catalog.test.ts";
/** An id is also a TypeScript identifier. */
const ID = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Adds the provider `id` to the checkout at `root`. Returns the paths it changed.
 * @throws Error if the id is invalid or taken, or if a file no longer has the expected form
 */
export function addProvider(root: string, id: string): readonly string[] {
  if (!ID.test(id)) {
    throw new Error(
      `"${id}" is not a valid provider id. Use 1 to 64 lowercase letters, digits and _, starting with a letter.`,
    );
  }
  const file = `${CATALOG}/${id}.ts`;
  if (existsSync(join(root, file))) throw new Error(`${file} already exists. Edit it, or choose another id.`);
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const name = `${id[0]?.toUpperCase()}${id.slice(1)}`;
  const changed = {
    [file]: read(TEMPLATE)
      .replaceAll(/\btemplate\b/g, id)
      .replaceAll(/\bTemplate\b/g, name),
    [INDEX]: withProvider(read(INDEX), id),
    [TEST]: withRotationClass(read(TEST), id),
  };
  for (const [path, text] of Object.entries(changed)) writeFileSync(join(root, path), text);
  return Object.keys(changed);
}

/** Adds the import and the list entry to providers/index.ts. */
function withProvider(text: string, id: string): string {
  const imported = replaced(INDEX, text, /(?:import \{ \w+ \} from "\.\/catalog\/\w+\.ts";\n)+/, (lines) =>
    sorted([...lines.trimEnd().split("\n"), `import { ${id} } from "./catalog/${id}.ts";`], "\n").concat("\n"),
  );
  return replaced(INDEX, imported, /(?<=const BUILT_IN: readonly Provider\[\] = \[)[^\]]*/, (list) =>
    sorted([...(list.match(/\w+/g) ?? []), id], ", "),
  );
}

/** Adds a row to the table of rotation classes in the catalog's test. */
function withRotationClass(text: string, id: string): string {
  return replaced(TEST, text, /(?<=expect\(classes\)\.toEqual\(\{\n)[^}]*\n(?= +\}\))/, (rows) =>
    sorted([...rows.trimEnd().split("\n"), `      ${id}: "strict",`], "\n").concat("\n"),
  );
}

function replaced(path: string, text: string, pattern: RegExp, change: (match: string) => string): string {
  if (!pattern.test(text))
    throw new Error(`${path} does not have the form that tools/add-provider.ts expects. Update the tool.`);
  return text.replace(pattern, change);
}

const sorted = (parts: readonly string[], separator: string): string =>
  parts.toSorted((a, b) => (a < b ? -1 : 1)).join(separator);

if (import.meta.main) {
  try {
    const changed = addProvider(join(import.meta.dirname, ".."), process.argv[2] ?? "");
    process.stdout.write(`Changed:\n${changed.map((path) => `  ${path}`).join("\n")}\nNow fill in the facts.\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

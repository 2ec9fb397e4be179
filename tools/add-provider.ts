/**
 * Adds a provider to the catalog from the template: `npm exec -- node tools/add-provider.ts acmedocs`. It makes
 * catalog/<id>.ts, and adds a line to the list in providers/index.ts and to the table of rotation classes in the catalog's
 * test, so that the choice of class is seen in review. The facts are then filled in by hand.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const TEMPLATE = "docs/templates/provider.ts.txt";
const CATALOG = "packages/server/src/providers/catalog";
const INDEX = "packages/server/src/providers/index.ts";
const TEST = "packages/server/test/providers/catalog.test.ts";
/** Also an identifier in TypeScript. */
const ID = /^[a-z][a-z0-9_]{0,63}$/;

/** Changes the checkout in `root`; the paths that it changed. @throws Error that says what to do. */
export function addProvider(root: string, id: string): readonly string[] {
  if (!ID.test(id)) {
    throw new Error(`"${id}" cannot be a provider's id: 1 to 64 lower-case letters, digits and _, a letter first.`);
  }
  const file = `${CATALOG}/${id}.ts`;
  if (existsSync(join(root, file))) throw new Error(`${file} is there already. Change it, or choose another id.`);
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const name = `${id[0]?.toUpperCase()}${id.slice(1)}`;
  const changed = {
    [file]: read(TEMPLATE)
      .replaceAll(/\btemplate\b/g, id)
      .replaceAll(/\bTemplate\b/g, name),
    [INDEX]: withListed(read(INDEX), id),
    [TEST]: withClass(read(TEST), id),
  };
  for (const [path, text] of Object.entries(changed)) writeFileSync(join(root, path), text);
  return Object.keys(changed);
}

function withListed(text: string, id: string): string {
  const imported = replaced(INDEX, text, /(?:import \{ \w+ \} from "\.\/catalog\/\w+\.ts";\n)+/, (lines) =>
    sorted([...lines.trimEnd().split("\n"), `import { ${id} } from "./catalog/${id}.ts";`], "\n").concat("\n"),
  );
  return replaced(INDEX, imported, /(?<=const BUILT_IN: readonly Provider\[\] = \[)[^\]]*/, (list) =>
    sorted([...(list.match(/\w+/g) ?? []), id], ", "),
  );
}

function withClass(text: string, id: string): string {
  return replaced(TEST, text, /(?<=expect\(classes\)\.toEqual\(\{\n)[^}]*\n(?= +\}\))/, (rows) =>
    sorted([...rows.trimEnd().split("\n"), `      ${id}: "strict",`], "\n").concat("\n"),
  );
}

function replaced(path: string, text: string, pattern: RegExp, change: (found: string) => string): string {
  if (!pattern.test(text))
    throw new Error(`${path} has another form than tools/add-provider.ts knows. Adjust the tool.`);
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

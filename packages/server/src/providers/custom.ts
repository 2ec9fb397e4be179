/**
 * Operators' own services: providers from JSON files, of the same shape as the built-in ones and held to the same rules.
 *
 * A file decides where the operator's client secrets go, so nothing in it is taken on trust: shape, templates, patterns and
 * names are checked before anything is served. Reads one directory, once; errors name the file, the field and the rule.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Value } from "typebox/value";
import { ApiError } from "../core/errors.ts";
import { isJsonObject } from "../core/types.ts";
import { checkProvider, type Problem } from "./check.ts";
import { createCatalog, providers as builtIn, type Catalog } from "./index.ts";
import { defineProvider, type Provider } from "./provider.ts";
import { ProviderSchema } from "./schema.ts";
import { checkShape } from "./shape.ts";

/** Larger than any real file by far; a log that was named *.json must not be read into memory. */
const MAX_FILE_BYTES = 262_144;

export type Validation = { readonly provider: Provider } | { readonly problems: readonly Problem[] };

/**
 * A provider, or everything that is wrong with it.
 *
 * @param json parsed JSON; a `$schema` member is for editors and ignored
 * @param others further providers that it must get along with, beside the built-in ones
 */
export function validateProvider(json: unknown, others: readonly Provider[] = []): Validation {
  const definition = withoutSchema(json);
  if (!Value.Check(ProviderSchema, definition)) return { problems: checkShape(ProviderSchema, definition) };
  const provider = defineProvider(definition);
  const problems = [...checkProvider(provider), ...checkNeighbours(provider, [...builtIn.values(), ...others])];
  return problems.length > 0 ? { problems } : { provider };
}

/**
 * The providers of all `*.json` files of a directory, in the order of their names.
 * @throws ApiError `configuration`, whose message and `errors` name every fault of every file
 */
export function loadCustomProviders(directory: string): readonly Provider[] {
  const providers: Provider[] = [];
  const faults: { readonly name: string; readonly message: string }[] = [];
  for (const file of listFiles(directory)) {
    const read = readFile(join(directory, file));
    const checked: Validation = "json" in read ? validateProvider(read.json, providers) : { problems: [read.problem] };
    if ("provider" in checked) providers.push(checked.provider);
    else faults.push(...checked.problems.map(({ pointer, rule }) => ({ name: `${file}${pointer}`, message: rule })));
  }
  if (faults.length === 0) return providers;
  const lines = faults.map(({ name, message }) => `  ${name}: ${message}`);
  throw new ApiError("configuration", {
    message: `Custom providers in ${directory} cannot be used. Mend these, or move the files away:\n${lines.join("\n")}`,
    errors: faults,
  });
}

/** The built-in services, and those of the directory where one is given. @throws ApiError `configuration` */
export function openCatalog({ providers_dir }: { readonly providers_dir: string | null }): Catalog {
  return createCatalog(providers_dir === null ? [] : loadCustomProviders(providers_dir));
}

/**
 * Checks one file.
 * @throws ApiError `configuration`, naming the file, each field and its rule; `not_found` when there is no such file
 */
export function validateProviderFile(path: string): Provider {
  if (!existsSync(path)) throw new ApiError("not_found", { message: `There is no file ${path}.` });
  const read = readFile(path);
  const checked: Validation = "json" in read ? validateProvider(read.json) : { problems: [read.problem] };
  if ("provider" in checked) return checked.provider;
  const errors = checked.problems.map(({ pointer, rule }) => ({ name: pointer === "" ? "/" : pointer, message: rule }));
  throw new ApiError("configuration", { message: `${path} does not define a service that can be used.`, errors });
}

function listFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((file) => file.endsWith(".json"))
      .toSorted();
  } catch (cause) {
    const message = `The directory of custom providers, ${directory}, cannot be read. Create it, or leave the setting out.`;
    throw new ApiError("configuration", { message, cause });
  }
}

function readFile(path: string): { readonly json: unknown } | { readonly problem: Problem } {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) {
      return { problem: { pointer: "", rule: `must be no larger than ${MAX_FILE_BYTES} bytes` } };
    }
    const json: unknown = JSON.parse(readFileSync(path, "utf8"));
    return { json };
  } catch (error) {
    return { problem: { pointer: "", rule: error instanceof SyntaxError ? "must be JSON" : "cannot be read" } };
  }
}

function withoutSchema(json: unknown): unknown {
  if (!isJsonObject(json)) return json;
  const { $schema: _editor, ...definition } = json;
  return definition;
}

/** Ids are unique. A redirect URI belongs to one authorization server, or one could answer in the name of the other. */
function checkNeighbours(provider: Provider, others: readonly Provider[]): readonly Problem[] {
  const { id, vendor, authorization_url, token_url } = provider;
  const sharing = others.filter((other) => other.vendor === vendor);
  const foreign = sharing.find(
    (other) => other.authorization_url !== authorization_url || other.token_url !== token_url,
  );
  return [
    ...(others.some((other) => other.id === id)
      ? [{ pointer: "/id", rule: `must not be "${id}": there is a service of that name already` }]
      : []),
    ...(foreign === undefined
      ? []
      : [{ pointer: "/vendor", rule: `must not be "${vendor}": its redirect URI belongs to ${foreign.display_name}` }]),
  ];
}

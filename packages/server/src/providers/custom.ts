/**
 * Loads an operator's own services: providers from JSON files, with the shape and rules of the
 * built-in ones.
 *
 * A file decides where the operator's client secrets are sent, so nothing in it is trusted. Its
 * shape, templates, patterns and names are all checked before the server starts. The directory is
 * read once. Errors name the file, the field and the rule.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Value } from "typebox/value";
import { CodedError } from "../core/errors.ts";
import { isJsonObject } from "../core/types.ts";
import { checkProvider } from "./check.ts";
import { providers as builtIn } from "./index.ts";
import type { Problem } from "./problem.ts";
import { defineProvider, type Provider } from "./provider.ts";
import { ProviderSchema } from "./schema.ts";
import { checkShape } from "./shape.ts";

/** Far larger than any real file. Keeps a log that was named *.json from being read into memory. */
const MAX_FILE_BYTES = 262_144;

export type Validation = { readonly provider: Provider } | { readonly problems: readonly Problem[] };

/**
 * Validates a provider definition. Returns the provider, or every problem found.
 *
 * @param json parsed JSON. A `$schema` member, which editors use, is ignored.
 * @param others providers it must not conflict with, in addition to the built-in ones
 */
export function validateProvider(json: unknown, others: readonly Provider[] = []): Validation {
  const definition = withoutSchema(json);
  if (!Value.Check(ProviderSchema, definition)) return { problems: checkShape(ProviderSchema, definition) };
  const provider = defineProvider(definition);
  const problems = [...checkProvider(provider), ...checkConflicts(provider, [...builtIn.values(), ...others])];
  return problems.length > 0 ? { problems } : { provider };
}

/**
 * Loads the providers from all `*.json` files in a directory, sorted by file name.
 * @throws CodedError `configuration`, whose message and `errors` list every problem of every file
 */
export function loadCustomProviders(directory: string): readonly Provider[] {
  const providers: Provider[] = [];
  const problems: { readonly name: string; readonly message: string }[] = [];
  for (const file of listFiles(directory)) {
    const read = readFile(join(directory, file));
    const checked: Validation = "json" in read ? validateProvider(read.json, providers) : { problems: [read.problem] };
    if ("provider" in checked) providers.push(checked.provider);
    else problems.push(...checked.problems.map(({ pointer, rule }) => ({ name: `${file}${pointer}`, message: rule })));
  }
  if (problems.length === 0) return providers;
  const lines = problems.map(({ name, message }) => `  ${name}: ${message}`);
  throw new CodedError("configuration", {
    message: `The custom providers in ${directory} have problems. Fix them, or remove the files:\n${lines.join("\n")}`,
    errors: problems,
  });
}

/**
 * Validates one file and returns its provider.
 * @throws CodedError `configuration`, which lists each field and its rule
 * @throws CodedError `not_found` if the file does not exist
 */
export function validateProviderFile(path: string): Provider {
  if (!existsSync(path)) throw new CodedError("not_found", { message: `The file ${path} does not exist.` });
  const read = readFile(path);
  const checked: Validation = "json" in read ? validateProvider(read.json) : { problems: [read.problem] };
  if ("provider" in checked) return checked.provider;
  const errors = checked.problems.map(({ pointer, rule }) => ({ name: pointer === "" ? "/" : pointer, message: rule }));
  throw new CodedError("configuration", { message: `${path} is not a valid service definition.`, errors });
}

function listFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((file) => file.endsWith(".json"))
      .toSorted();
  } catch (cause) {
    const message = `Cannot read the directory of custom providers, ${directory}. Create it, or remove the setting.`;
    throw new CodedError("configuration", { message, cause });
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

/**
 * Checks a provider against the others. Ids must be unique. A redirect URI must belong to a single
 * authorization server, or one server could impersonate the other.
 */
function checkConflicts(provider: Provider, others: readonly Provider[]): readonly Problem[] {
  const { id, vendor, authorization_url, token_url } = provider;
  const sharing = others.filter((other) => other.vendor === vendor);
  const conflicting = sharing.find(
    (other) => other.authorization_url !== authorization_url || other.token_url !== token_url,
  );
  return [
    ...(others.some((other) => other.id === id)
      ? [{ pointer: "/id", rule: `must not be "${id}": a service with that id already exists` }]
      : []),
    ...(conflicting === undefined
      ? []
      : [
          {
            pointer: "/vendor",
            rule: `must not be "${vendor}": its redirect URI belongs to ${conflicting.display_name}`,
          },
        ]),
  ];
}

/**
 * Reads parsed JSON of unknown shape. Each step throws with the path at which the document is
 * unexpected.
 */

export interface Json {
  readonly value: unknown;
  get(name: string): Json;
  text(name: string): string;
  list(name: string): readonly Json[];
  keys(): readonly string[];
}

export function parseJson(text: string): Json {
  return jsonAt(JSON.parse(text), "$");
}

function jsonAt(value: unknown, place: string): Json {
  const member = (name: string): unknown => {
    if (!isObject(value)) throw new Error(`${place} is not an object: ${JSON.stringify(value)}`);
    return value[name];
  };
  return {
    value,
    get: (name) => jsonAt(member(name), `${place}.${name}`),
    text: (name) => {
      const found = member(name);
      if (typeof found !== "string") throw new Error(`${place}.${name} is not a string: ${JSON.stringify(found)}`);
      return found;
    },
    list: (name) => {
      const found = member(name);
      if (!Array.isArray(found)) throw new Error(`${place}.${name} is not an array: ${JSON.stringify(found)}`);
      return found.map((item: unknown, index) => jsonAt(item, `${place}.${name}[${index}]`));
    },
    keys: () => (isObject(value) ? Object.keys(value) : []),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

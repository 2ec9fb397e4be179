/**
 * Reading parsed JSON of unknown shape: each reader returns the value, or throws `Unfit` with the place at which the document
 * is not what was promised. Unknown fields are ignored, so that a newer server can be talked to.
 */
import { isJsonObject } from "../../core/types.ts";

export class Unfit extends Error {
  constructor(place: string, wanted: string) {
    super(`${place} is not ${wanted}`);
    this.name = "Unfit";
  }
}

export interface Fields {
  text(name: string): string;
  /** Null also where it is missing. */
  textOrNull(name: string): string | null;
  flag(name: string): boolean;
  /** A whole number above 0. */
  count(name: string): number;
  /** Null also where it is missing. */
  countOrNull(name: string): number | null;
  texts(name: string): readonly string[];
  list<T>(name: string, read: (fields: Fields) => T): readonly T[];
}

export function fieldsOf(value: unknown, place = "the answer"): Fields {
  if (!isJsonObject(value)) throw new Unfit(place, "an object");
  const at = (name: string): string => `${place}.${name}`;
  const array = (name: string): readonly unknown[] => {
    const found: unknown = value[name];
    if (!Array.isArray(found)) throw new Unfit(at(name), "an array");
    return found;
  };
  const text = (found: unknown, where: string): string => {
    if (typeof found !== "string") throw new Unfit(where, "a text");
    return found;
  };
  const count = (found: unknown, where: string): number => {
    if (typeof found !== "number" || !Number.isSafeInteger(found) || found <= 0)
      throw new Unfit(where, "a whole number above 0");
    return found;
  };
  return {
    text: (name) => text(value[name], at(name)),
    textOrNull: (name) => (value[name] === undefined || value[name] === null ? null : text(value[name], at(name))),
    flag: (name) => {
      const found = value[name];
      if (typeof found !== "boolean") throw new Unfit(at(name), "true or false");
      return found;
    },
    count: (name) => count(value[name], at(name)),
    countOrNull: (name) => (value[name] === undefined || value[name] === null ? null : count(value[name], at(name))),
    texts: (name) => array(name).map((one, index) => text(one, `${at(name)}[${index}]`)),
    list: (name, read) => array(name).map((one, index) => read(fieldsOf(one, `${at(name)}[${index}]`))),
  };
}

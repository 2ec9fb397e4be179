/** What vendors' answers can tell at all, by the simulator's fixtures: the shapes that the vendors' pages show. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { asObject, type Json } from "../support/http.ts";

const FIXTURES = join(import.meta.dirname, "../../../simulator/fixtures");

/** Under these names token answers list what was granted. */
const SCOPE_MEMBERS = new Set(["scope", "scopes", "permissions"]);

function answer(id: string, name: string): Json | null {
  const path = join(FIXTURES, id, `${name}.json`);
  return existsSync(path) ? asObject(JSON.parse(readFileSync(path, "utf8"))) : null;
}

/** Whether the token answer says which scopes were granted. */
export const namesScopes = (id: string): boolean => hasMember(answer(id, "token")?.["body"], SCOPE_MEMBERS);

function hasMember(value: unknown, names: ReadonlySet<string>): boolean {
  return Object.entries(asObject(value)).some(([name, member]) => names.has(name) || hasMember(member, names));
}

/** Whether a dead grant can be told from a wrong client secret, other than by words meant for people. */
export function tellsDeadGrant(id: string): boolean {
  const [client, refresh] = [answer(id, "error-client"), answer(id, "error-refresh")];
  return client === null || refresh === null || withoutWords(client) !== withoutWords(refresh);
}

const withoutWords = (value: Json): string =>
  JSON.stringify(value, (_, member: unknown) => (typeof member === "string" && member.includes(" ") ? "" : member));

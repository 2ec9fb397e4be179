/**
 * What vendors' responses reveal, according to the simulator's fixtures. These have the form that
 * the vendors' pages show.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { asObject, type Json } from "../support/http.ts";

const FIXTURES = join(import.meta.dirname, "../../../simulator/fixtures");

/** Members in which token responses list the granted scopes. */
const SCOPE_MEMBERS = new Set(["scope", "scopes", "permissions"]);

function fixture(id: string, name: string): Json | null {
  const path = join(FIXTURES, id, `${name}.json`);
  return existsSync(path) ? asObject(JSON.parse(readFileSync(path, "utf8"))) : null;
}

/** Reports whether the token response lists the granted scopes. */
export const listsScopes = (id: string): boolean => hasMember(fixture(id, "token")?.["body"], SCOPE_MEMBERS);

function hasMember(value: unknown, names: ReadonlySet<string>): boolean {
  return Object.entries(asObject(value)).some(([name, member]) => names.has(name) || hasMember(member, names));
}

/**
 * Reports whether a revoked grant and a wrong client secret differ in more than human-readable
 * text.
 */
export function distinguishesRevokedGrant(id: string): boolean {
  const [client, refresh] = [fixture(id, "error-client"), fixture(id, "error-refresh")];
  return client === null || refresh === null || withoutMessages(client) !== withoutMessages(refresh);
}

const withoutMessages = (value: Json): string =>
  JSON.stringify(value, (_, member: unknown) => (typeof member === "string" && member.includes(" ") ? "" : member));

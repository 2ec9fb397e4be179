/**
 * The app's users: of an issuer with a shared secret, as an app's own sign-in would be, and the
 * builder, whose tokens are the server's.
 */
import { createHmac, randomBytes } from "node:crypto";
import { parseJson } from "../support/json.ts";
import type { AppUserClaims } from "./expected.ts";

const ISSUER = "https://login.example.com";
const TOKEN_S = 600;

export interface Users {
  tokenOf(caller: "user" | "admin", user: AppUserClaims): Promise<string>;
}

interface App {
  readonly server_url: string;
  readonly app_id: string;
  readonly api_key: string;
  now(): number;
}

/** Registers the issuer with the app, and returns who signs its tokens. */
export async function createUsers({ server_url, app_id, api_key, now }: App): Promise<Users> {
  const secret = randomBytes(32).toString("base64url");
  const reply = await fetch(`${server_url}/api/management/apps/${app_id}/issuers`, {
    method: "POST",
    headers: { api_key, "content-type": "application/json" },
    body: JSON.stringify({ issuer: ISSUER, kind: "secret", audiences: [app_id], secret }),
  });
  if (!reply.ok) throw new Error(`The issuer was refused with ${reply.status}: ${await reply.text()}`);
  const exp = (): number => Math.floor(now() / 1000) + TOKEN_S;
  return {
    tokenOf: async (caller, user) =>
      caller === "admin"
        ? builderToken({ server_url, app_id, api_key })
        : signed(secret, { iss: ISSUER, aud: app_id, exp: exp(), ...user }),
  };
}

/** Requests the token that `base44 exec` uses. */
async function builderToken({ server_url, app_id, api_key }: Omit<App, "now">): Promise<string> {
  const reply = await fetch(`${server_url}/api/apps/${app_id}/auth/token`, { headers: { api_key } });
  return parseJson(await reply.text()).text("token");
}

/** Returns a JSON Web Token (RFC 7515, HS256). */
function signed(secret: string, claims: Readonly<Record<string, unknown>>): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

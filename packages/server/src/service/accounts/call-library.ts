/**
 * Calls the account library. It is loaded at the first call, since loading it takes longer than the
 * server's start.
 */
import { CodedError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { AccountLibrary } from "./library.ts";
import { ADDRESS_HEADER } from "./password-rules.ts";
import type { AccountsDeps, Visitor } from "./types.ts";

/** @throws CodedError `sign_in_failed` for a wrong password, and the store's errors */
export type CallLibrary = <T>(call: (library: AccountLibrary) => Promise<T>) => Promise<T>;

export function createCallLibrary(deps: Omit<AccountsDeps, "rateLimits" | "cliSessions">): CallLibrary {
  let loading: Promise<AccountLibrary> | null = null;
  return async (call) => {
    try {
      loading ??= loadLibrary(deps);
      return await call(await loading);
    } catch (error) {
      throw translate(error);
    }
  };
}

async function loadLibrary({
  store,
  keyring,
  urls,
  clock,
  limits,
  default_plan,
}: Parameters<typeof createCallLibrary>[0]) {
  const { createAccountLibrary } = await import("./library.ts");
  const secret = keyring.deriveKey("accounts").toString("base64url");
  return createAccountLibrary({ store, clock, limits, default_plan, public_url: urls.public_url, secret });
}

const GUESSED_WRONG = new Set([
  "INVALID_EMAIL_OR_PASSWORD",
  "INVALID_PASSWORD",
  "INVALID_EMAIL",
  "PASSWORD_TOO_LONG",
  // The demo's account has no password, so every guess is wrong.
  "CREDENTIAL_ACCOUNT_NOT_FOUND",
]);

/**
 * Returns the CodedError that the library wrapped, `sign_in_failed` for a wrong guess, or the error
 * itself.
 */
function translate(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.cause instanceof CodedError) return error.cause;
  const code = "body" in error ? Object(error.body).code : undefined;
  return GUESSED_WRONG.has(code) ? new CodedError("sign_in_failed", { cause: error }) : error;
}

/** Returns null for a wrong password, which makes the rate limits count the try. */
export function nullIfWrong(error: unknown): null {
  if (error instanceof CodedError && error.code === "sign_in_failed") return null;
  throw error;
}

/**
 * Builds the headers that the library reads: the session, the client's address and its user agent.
 */
export function headersOf(visitor: Visitor | null, session: Secret | null = null): Headers {
  const headers = new Headers();
  if (session !== null) headers.set("authorization", `Bearer ${session.expose()}`);
  if (visitor !== null) {
    headers.set(ADDRESS_HEADER, visitor.address);
    // Headers throws on other characters, and the library stores the value as it is.
    headers.set("user-agent", visitor.user_agent.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 256));
  }
  return headers;
}

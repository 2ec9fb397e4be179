/**
 * The provider, as it really is: grants, their refresh tokens, what each request did. What the engine may only guess, the
 * invariants look up here. Tokens are texts that name their connection; instants are true time.
 *
 * Rotation: `none` keeps the refresh token; `grace` issues a new one at each use and bears the old one for `grace_ms` after
 * its first use; `strict` bears no second use. A use beyond that revokes the whole grant (RFC 9700 §4.14.2).
 */
import type { RotationClass } from "../../src/providers/provider.ts";

export interface Grant {
  readonly connection: string;
  /** Counts the consents of the connection. */
  readonly number: number;
  revoked_by: "reuse" | "person" | "us" | null;
}

/** The process that sent a request. */
interface Asker {
  readonly owner: string;
  readonly dead: boolean;
}

export interface RefreshToken {
  readonly text: string;
  readonly grant: Grant;
  readonly issued_at: number;
  used_at: number | null;
  /** The one it was issued for; null: a consent. */
  readonly parent: RefreshToken | null;
  /** In the database since, in true time; null: not yet. */
  stored_at: number | null;
  /** Why the answer that carried it reached nobody; null: it did, or still may. */
  lost: string | null;
  /** The process that the answer was for. */
  asked_by: Asker | null;
}

export interface AccessToken {
  readonly text: string;
  readonly connection: string;
  readonly expires_at: number;
}

export interface Issued {
  readonly access: AccessToken;
  /** Null: none in the answer, the one presented stays. */
  readonly refresh: RefreshToken | null;
}

export interface ProviderModel {
  readonly rotation: RotationClass;
  readonly grace_ms: number;
  readonly access_ms: number;
  /** `age_ms`: so long ago. */
  consent(connection: string, age_ms?: number): Issued & { readonly refresh: RefreshToken };
  /** Null: invalid_grant. `keep`: this time the refresh token is not replaced. */
  refresh(text: string, keep: boolean, asked_by: Asker): Issued | null;
  /** Whether an answer without a refresh token would make sense: the presented one was never replaced. */
  mayKeep(text: string): boolean;
  revoke(connection: string, by: "person" | "us", only?: Grant): void;
  /** Whether presenting it now would bring tokens. */
  accepts(text: string): boolean;
  token(text: string): RefreshToken | null;
  access(text: string): AccessToken | null;
  tokensOf(connection: string): readonly RefreshToken[];
}

export interface ProviderOptions {
  readonly rotation: RotationClass;
  readonly grace_ms: number;
  readonly access_ms: number;
  readonly now: () => number;
}

export function createProvider({ rotation, grace_ms, access_ms, now }: ProviderOptions): ProviderModel {
  const grants: Grant[] = [];
  const refreshTokens = new Map<string, RefreshToken>();
  const accessTokens = new Map<string, AccessToken>();

  function mintAccess(connection: string, age_ms = 0): AccessToken {
    const expires_at = now() + access_ms - age_ms;
    const access = { text: `at.${connection}.${accessTokens.size}`, connection, expires_at };
    accessTokens.set(access.text, access);
    return access;
  }

  function mintRefresh(grant: Grant, parent: RefreshToken | null, asked_by: RefreshToken["asked_by"]): RefreshToken {
    const text = `rt.${grant.connection}.${refreshTokens.size}`;
    const token: RefreshToken = {
      text,
      grant,
      issued_at: now(),
      parent,
      used_at: null,
      stored_at: null,
      lost: null,
      asked_by,
    };
    refreshTokens.set(text, token);
    return token;
  }

  const isReuse = ({ used_at }: RefreshToken): boolean =>
    used_at !== null && rotation !== "none" && now() >= used_at + (rotation === "grace" ? grace_ms : 0);

  return {
    rotation,
    grace_ms,
    access_ms,
    consent(connection, age_ms) {
      const number = grants.filter((grant) => grant.connection === connection).length + 1;
      const grant: Grant = { connection, number, revoked_by: null };
      grants.push(grant);
      return { access: mintAccess(connection, age_ms), refresh: mintRefresh(grant, null, null) };
    },
    refresh(text, keep, asked_by) {
      const token = refreshTokens.get(text);
      if (token === undefined || token.grant.revoked_by !== null) return null;
      if (isReuse(token)) {
        token.grant.revoked_by = "reuse";
        return null;
      }
      const access = mintAccess(token.grant.connection);
      if (rotation === "none" || keep) return { access, refresh: null };
      token.used_at ??= now();
      return { access, refresh: mintRefresh(token.grant, token, asked_by) };
    },
    mayKeep: (text) => refreshTokens.get(text)?.used_at === null,
    revoke(connection, by, only) {
      for (const grant of grants)
        if (grant.connection === connection && (only === undefined || grant === only)) grant.revoked_by ??= by;
    },
    accepts(text) {
      const token = refreshTokens.get(text);
      return token !== undefined && token.grant.revoked_by === null && !isReuse(token);
    },
    token: (text) => refreshTokens.get(text) ?? null,
    access: (text) => accessTokens.get(text) ?? null,
    tokensOf: (connection) => [...refreshTokens.values()].filter(({ grant }) => grant.connection === connection),
  };
}

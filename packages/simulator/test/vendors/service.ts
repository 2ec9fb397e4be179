/**
 * The facts that an application must know of a service: addresses, names, bodies. They come from
 * the vendors' documentation, separately from the profiles in `src/`, so a mistake there is not
 * repeated here.
 */

/**
 * One call. `{access}`, `{refresh}`, `{client_id}`, `{client_secret}` and `{basic}` are filled in.
 */
export interface CallSpec {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly url: string;
  /** Default: `authorization: Bearer {access}`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

export interface Service {
  readonly authorize: string;
  readonly token: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly auth: "basic" | "post";
  readonly body?: "form" | "json";
  readonly client_id_name?: string;
  /** Default: an S256 challenge is sent, even to vendors that ignore it. */
  readonly pkce?: false;
  readonly token_headers?: Readonly<Record<string, string>>;
  /** Sent again on refresh. */
  readonly refresh_params?: Readonly<Record<string, string>>;
  /** null if the token reply already identifies the user. */
  readonly identity: CallSpec | null;
  readonly resource: CallSpec;
  readonly revoke: CallSpec | null;
  /**
   * What a revocation ends, if not the whole grant: only the given access token, or only
   * refreshing.
   */
  readonly revokes?: "access" | "refresh";
  /**
   * - `stays`: no new refresh token, or the same one.
   * - `single`: reuse is refused.
   * - `family`: reuse ends the grant.
   * - `grace`: a new one each time, while the old one still works.
   * - `reissue`: no refresh token, but any number of new access tokens.
   * - `custom`: the vendor's own way, with tests of its own.
   */
  readonly refresh: "none" | "stays" | "single" | "family" | "grace" | "reissue" | "custom";
  /** Modes that the test needs at this vendor: a GitHub App, a Slack app with rotation. */
  readonly modes?: readonly string[];
}

export const BEARER = { authorization: "Bearer {access}" };
export const BASIC = { authorization: "Basic {basic}" };

export const get = (url: string, headers: Readonly<Record<string, string>> = BEARER): CallSpec => ({ url, headers });

export const postForm = (
  url: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = BEARER,
): CallSpec => ({ method: "POST", url, form, headers });

export const postJson = (url: string, json: unknown, headers: Readonly<Record<string, string>> = BEARER): CallSpec => ({
  method: "POST",
  url,
  json,
  headers,
});

/** RFC 7009 with the client's credentials in the body. */
export const revokeByPost = (url: string, token: "{access}" | "{refresh}" = "{refresh}"): CallSpec =>
  postForm(url, { client_id: "{client_id}", client_secret: "{client_secret}", token }, {});

/** RFC 7009 with the client's credentials in HTTP Basic. */
export const revokeByBasic = (url: string, token: "{access}" | "{refresh}" = "{refresh}"): CallSpec =>
  postForm(url, { token }, BASIC);

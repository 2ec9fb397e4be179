/** An issuer of app users' tokens on this machine: discovery, key set and verify URL. */
import { createServer } from "node:http";
import { once } from "node:events";
import { createKey, signed, type SigningKey } from "../service/users/tokens.ts";
import { portOf } from "../oauth/support.ts";

export interface IssuerReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface TestIssuer {
  /** Its `iss`. */
  readonly url: string;
  readonly jwks_url: string;
  readonly verify_url: string;
  /** The requests so far, as `path` and Authorization. */
  readonly requests: readonly { readonly path: string; readonly authorization: string | undefined }[];
  /** The key that signs. */
  key: SigningKey;
  /** Replaces the reply to a path: `/keys`, `/verify`, `/.well-known/openid-configuration`. */
  readonly replies: Map<string, (authorization: string) => IssuerReply | Promise<IssuerReply>>;
  /** Signs claims of this issuer, valid for ten minutes from `now`. */
  token(now: number, claims?: object, header?: object): string;
  count(path: string): number;
  close(): void;
}

const DISCOVERY = "/.well-known/openid-configuration";

export async function startIssuer(): Promise<TestIssuer> {
  const requests: { path: string; authorization: string | undefined }[] = [];
  const replies: TestIssuer["replies"] = new Map();
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    const path = request.url ?? "";
    requests.push({ path, authorization });
    void (async () => {
      const {
        status = 200,
        headers = {},
        body = {},
      } = (await replies.get(path)?.(authorization ?? "")) ?? { status: 404 };
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${portOf(server.address())}`;
  const issuer: TestIssuer = {
    url,
    jwks_url: `${url}/keys`,
    verify_url: `${url}/verify`,
    requests,
    key: createKey("ES256"),
    replies,
    token: (now, claims = {}, header = {}) => {
      const seconds = Math.floor(now / 1000);
      const usual = { iss: url, aud: "shop", sub: "u1", iat: seconds, exp: seconds + 600 };
      return signed(issuer.key, { ...usual, ...claims }, header);
    },
    count: (path) => requests.filter((one) => one.path === path).length,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  replies.set(DISCOVERY, () => ({ body: { issuer: url, jwks_uri: `${url}/keys` } }));
  replies.set("/keys", () => ({ body: { keys: [issuer.key.jwk] } }));
  return issuer;
}

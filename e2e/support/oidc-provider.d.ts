/** The package has no types. These are the parts that the tests use. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  export default class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    /** Whether X-Forwarded-* headers are trusted. */
    proxy: boolean;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    on(event: string, listener: (...args: unknown[]) => void): this;
    readonly RefreshToken: { find(token: string): Promise<{ readonly consumed?: number } | undefined> };
    readonly AccessToken: { find(token: string): Promise<object | undefined> };
  }
}

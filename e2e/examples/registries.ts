/**
 * The registries from which the example functions get their packages, on loopback. The npm packages
 * are those of this repository, packed. The one of JSR is written here, because nothing of JSR is
 * installed: it has the same name and function as the public one.
 */
import { jsrRegistry, npmRegistry, packInstalled } from "../../packages/server/test/runner/bundler/registries.ts";

/** What the functions import, and what those packages depend on. */
const NPM = ["zod", "standardwebhooks", "@stablelib/base64", "fast-sha256"];

const BASE64URL = `/** Encodes bytes or text as base64url without padding (RFC 4648 section 5). */
export function encodeBase64Url(data: string | Uint8Array): string {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
`;

export interface Registries extends AsyncDisposable {
  /** The settings with which a server uses them. */
  readonly settings: Readonly<Record<string, string>>;
}

export async function openRegistries(): Promise<Registries> {
  await using opened = new AsyncDisposableStack();
  const npm = opened.use(await npmRegistry({ packages: await Promise.all(NPM.map(packInstalled)) }));
  const jsr = opened.use(
    await jsrRegistry([
      {
        name: "@std/encoding",
        version: "1.0.10",
        exports: { "./base64url": "./base64url.ts" },
        files: { "/base64url.ts": BASE64URL },
      },
    ]),
  );
  const closing = opened.move();
  return {
    settings: { HOLDFAST_NPM_REGISTRY: npm.url, HOLDFAST_JSR_URL: jsr.url },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

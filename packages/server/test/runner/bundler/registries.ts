/**
 * Registries of npm and JSR, and a host of modules over TLS, on loopback. They serve packages that
 * are really packed: those of this repository's node_modules, and ones that a test writes.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { selfSigned } from "../../oauth/certificate.ts";

export interface Host extends AsyncDisposable {
  /** `host:port`, as an operator allows it. */
  readonly host: string;
  readonly url: string;
  /** Paths of the requests, in their order. */
  readonly requested: string[];
}

export interface Packed {
  readonly manifest: Readonly<Record<string, unknown>> & { readonly name: string; readonly version: string };
  readonly tarball: Buffer;
}

const TEXT = { "content-type": "text/plain" };
const JSON_TYPE = { "content-type": "application/json" };

/** Packs a package of node_modules as npm does: everything below `package/`. */
export async function packInstalled(name: string): Promise<Packed> {
  return await pack(join(rootOf(name), name));
}

/** Packs a package from these files. */
export async function packFiles(files: Readonly<Record<string, string>>): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pack-"));
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    return await pack(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pack(folder: string): Promise<Packed> {
  const tar = ["-czf", "-", "--exclude=./node_modules", "--transform=s,^\\.,package,", "-C", folder, "."];
  const { stdout } = await promisify(execFile)("tar", tar, { encoding: "buffer", maxBuffer: 100_000_000 });
  const manifest: Packed["manifest"] = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  return { manifest, tarball: stdout };
}

/** Returns the folder of node_modules that has a package. */
function rootOf(name: string): string {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const root = paths.find((path) => existsSync(join(path, name)));
  if (root === undefined) throw new Error(`${name} is not installed`);
  return root;
}

export interface NpmOptions {
  readonly packages: readonly Packed[];
  /** Changes the bytes of a tarball after its integrity is known. */
  readonly damage?: (tarball: Buffer) => Buffer;
  /** Base of the tarballs' URLs. Its own, unless given. */
  readonly tarballs?: string;
  /** What a version says about its tarball besides its URL. Default: its SHA-512. */
  readonly digestOf?: (tarball: Buffer) => Readonly<Record<string, string>>;
}

const sha512 = (tarball: Buffer): Readonly<Record<string, string>> => ({
  integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
});

export async function npmRegistry(options: NpmOptions): Promise<Host> {
  const { packages, damage = (bytes) => bytes, tarballs, digestOf = sha512 } = options;
  return await serve((request, url) => {
    const path = decodeURIComponent(request.url ?? "").slice(1);
    const file = packages.find(({ manifest }) => path === `${manifest.name}/-/${manifest.version}.tgz`);
    if (file !== undefined) return { body: damage(file.tarball) };
    const versions = packages.filter(({ manifest }) => manifest.name === path);
    return versions.length === 0 ? null : { body: packument(versions, tarballs ?? url, digestOf), headers: JSON_TYPE };
  });
}

function packument(versions: readonly Packed[], url: string, digestOf: NonNullable<NpmOptions["digestOf"]>): string {
  const { name } = versions[0]?.manifest ?? {};
  const entries = versions.map(({ manifest, tarball }) => {
    const dist = {
      tarball: `${url}/${name}/-/${manifest.version}.tgz`,
      ...digestOf(tarball),
    };
    return [manifest.version, { ...manifest, dist }] as const;
  });
  return JSON.stringify({
    name,
    "dist-tags": { latest: versions.at(-1)?.manifest.version },
    versions: Object.fromEntries(entries),
  });
}

export interface JsrPackage {
  /** `@scope/name`. */
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

export async function jsrRegistry(
  packages: readonly JsrPackage[],
  damage: (content: string) => string = (content) => content,
): Promise<Host> {
  return await serve((request) => {
    for (const { name, version, exports, files } of packages) {
      if (request.url === `/${name}/meta.json`)
        return { body: JSON.stringify(jsrMeta(packages, name)), headers: JSON_TYPE };
      if (request.url === `/${name}/${version}_meta.json`) {
        const manifest = Object.fromEntries(
          Object.entries(files).map(([path, content]) => [
            path,
            { size: content.length, checksum: `sha256-${sha256(content)}` },
          ]),
        );
        return { body: JSON.stringify({ manifest, exports }), headers: JSON_TYPE };
      }
      const content = files[request.url?.replace(`/${name}/${version}`, "") ?? ""];
      if (request.url?.startsWith(`/${name}/${version}/`) && content !== undefined) {
        return { body: damage(content), headers: { "content-type": "text/typescript" } };
      }
    }
    return null;
  });
}

function jsrMeta(packages: readonly JsrPackage[], name: string): unknown {
  const [scope = "", plain] = name.slice(1).split("/");
  const versions = packages.filter((one) => one.name === name).map(({ version }) => [version, {}]);
  return { scope, name: plain, latest: versions.at(-1)?.[0], versions: Object.fromEntries(versions) };
}

const sha256 = (content: string): string => createHash("sha256").update(content).digest("hex");

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Returns the answer to a request. Null: 404. A promise that never resolves: no answer. */
export type Respond = (request: IncomingMessage, url: string) => Answer | Promise<Answer> | null;

export async function serve(respond: Respond): Promise<Host> {
  return await listen((listener) => createServer(listener), "http", "127.0.0.1", respond);
}

export interface TlsHost extends Host {
  /** PEM. */
  readonly authority: string;
}

/** `name` is the host in URLs. Its address is loopback. */
export async function serveTls(name: string, respond: Respond): Promise<TlsHost> {
  const { key, cert } = selfSigned(name);
  const host = await listen((listener) => createTlsServer({ key, cert }, listener), "https", name, respond);
  return { ...host, authority: cert, [Symbol.asyncDispose]: host[Symbol.asyncDispose] };
}

async function listen(
  create: (listener: RequestListener) => Server,
  scheme: string,
  name: string,
  respond: Respond,
): Promise<Host> {
  const requested: string[] = [];
  let url = "";
  const server = create((request, response) => {
    requested.push(request.url ?? "");
    void (async () => {
      const answer = await respond(request, url);
      if (answer === null) response.writeHead(404, TEXT).end("not found");
      else response.writeHead(answer.status ?? 200, answer.headers ?? TEXT).end(answer.body ?? "");
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const host = `${name}:${address.port}`;
  url = `${scheme}://${host}`;
  return {
    host,
    url,
    requested,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Packages and modules that the bundler fetches. Real Deno in the sandbox, hosts on loopback. */
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import { findDeno } from "../../../src/runner/deno.ts";
import { rejection, temporaryFolder } from "../harness.ts";
import {
  jsrRegistry,
  npmRegistry,
  packFiles,
  packInstalled,
  serve,
  serveTls,
  type Host,
  type Respond,
} from "./registries.ts";
import { openWorkshop, type Workshop, type WorkshopOptions } from "./workshop.ts";

let dir: string;
beforeAll(async () => {
  dir = await temporaryFolder();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

let count = 0;
/** Runs a bundle as a function's process would, without rights, and returns its output. */
async function output(code: string): Promise<string> {
  const path = join(dir, `${(count += 1)}.mjs`);
  await writeFile(path, code);
  const flags = ["run", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only"];
  const { stdout } = await promisify(execFile)(findDeno(), [...flags, path], { env: { DENO_DIR: dir, NO_COLOR: "1" } });
  return stdout.trim();
}

/** A workshop with an npm registry of these packages. */
function workshopOf(npm: Host, options: WorkshopOptions = {}): Workshop {
  return openWorkshop({ ...options, registries: { npm: `${npm.url}/`, ...options.registries } });
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise);
  if (!(error instanceof CodedError)) throw new Error(`not refused: ${JSON.stringify(error)}`);
  expect(error.code).toBe("function_invalid");
  return error.message;
}

describe("a package of npm", () => {
  it("is fetched by version or range with its dependencies, and locked with its integrity", async () => {
    const names = [
      "zod",
      "magic-string",
      "@jridgewell/sourcemap-codec",
      "mime-types",
      "mime-db",
      "combined-stream",
      "delayed-stream",
    ];
    await using npm = await npmRegistry({ packages: await Promise.all(names.map(packInstalled)) });
    await using workshop = workshopOf(npm);
    const { code, lock, source_map, notes } = await workshop.bundle({
      "entry.ts": `import { z } from "npm:zod@4.6.7";
        import MagicString from "npm:magic-string@^1.0.0";
        import mime from "npm:mime-types";
        import * as mini from "npm:zod@4/mini";
        import Combined from "npm:combined-stream@~1.0.8";
        import "./lib.ts";
        console.log(z.string().parse("a"), new MagicString("b").append("c").toString(), mime.lookup("x.json"), typeof mini.string, typeof Combined.create);`,
      "lib.ts": `const zod = await import("npm:zod@4.6.7"); if (zod.z === undefined) throw new Error();`,
    });
    expect(await output(code)).toBe("a bc application/json function function");
    expect(notes).toEqual([]);
    const locked: { specifiers: Record<string, string>; npm: Record<string, { integrity: string }> } = JSON.parse(lock);
    expect(locked.specifiers).toMatchObject({ "npm:zod@4.6.7": "4.6.7", "npm:magic-string@1": "1.4.5" });
    expect(
      Object.keys(locked.npm)
        .map((id) => id.replace(/@[^@]+$/, ""))
        .toSorted(),
    ).toEqual(names.toSorted());
    for (const { integrity } of Object.values(locked.npm)) expect(integrity).toMatch(/^sha512-/);
    const { sources }: { sources: readonly string[] } = JSON.parse(source_map);
    expect(new Set(sources)).toEqual(new Set(["entry.ts", "lib.ts", "installed.js"]));
  });

  it("has its module.exports as default import, as in Deno", async () => {
    const cjs = await packFiles({
      "package.json": `{ "name": "compiled", "version": "1.0.0" }`,
      "index.js": `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = 1; exports.path = require("path").sep;`,
    });
    await using npm = await npmRegistry({ packages: [cjs] });
    await using workshop = workshopOf(npm);
    const { code } = await workshop.bundle({
      "entry.ts": `import compiled, { path } from "npm:compiled"; console.log(JSON.stringify(compiled), path);`,
    });
    expect(await output(code)).toBe(`{"default":1,"path":"/"} /`);
  });

  it("can have a short name in the function's deno.json", async () => {
    await using npm = await npmRegistry({ packages: await Promise.all(["zod"].map(packInstalled)) });
    await using workshop = workshopOf(npm);
    const { code, notes } = await workshop.bundle({
      "deno.json": `{ // comments are allowed
        "imports": { "zod": "npm:zod@4", "lib/": "./lib/", "@base44/sdk": "npm:@base44/sdk@0.8.4", "path": "node:path" } }`,
      "lib/a.ts": `export const a = "a";`,
      "entry.ts": `import { z } from "zod"; import * as mini from "zod/mini"; import { a } from "lib/a.ts"; import { createClient } from "@base44/sdk"; import { sep } from "path";
        console.log(z.string().parse(a), typeof mini.string, typeof createClient, sep);`,
    });
    expect(await output(code)).toBe("a function function /");
    expect(notes).toEqual(["npm:@base44/sdk@0.8.4 is version 0.8.50, which this server ships."]);
  });

  it("is found by an import with a pattern, too", { tags: "all" }, async () => {
    await using npm = await npmRegistry({
      packages: [await packInstalled("mime-types"), await packInstalled("mime-db")],
    });
    await using workshop = workshopOf(npm);
    const { code } = await workshop.bundle({
      "entry.ts": "const name = 'a'; const { type } = await import(`./lib/${name}.ts`); console.log(type);",
      "lib/a.ts": `import mime from "npm:mime-types@2"; export const type = mime.lookup("a.txt");`,
    });
    expect(await output(code)).toBe("text/plain");
  });

  it("is refused by specifier, file and line if it, a version or a file of it does not exist", async () => {
    await using npm = await npmRegistry({ packages: [await packInstalled("mime-db")] });
    await using workshop = workshopOf(npm);
    const lines = ["// first line", `import "npm:missing";`];
    expect(await messageOf(workshop.bundle({ "entry.ts": lines.join("\n") }))).toMatch(
      /The function f cannot be loaded\. entry\.ts:2: The function f imports npm:missing, which cannot be fetched: .*missing/,
    );
    expect(await messageOf(workshop.bundle({ "entry.ts": `\n\nimport "npm:mime-db@99";` }))).toMatch(
      /entry\.ts:3: The function f imports npm:mime-db@99, which cannot be fetched: .*'mime-db' matching '99'/,
    );
    expect(
      await messageOf(
        workshop.bundle({
          "entry.ts": `import "./lib.ts";`,
          "lib.ts": `\nimport db from "npm:mime-db@1/nothing.js"; console.log(db);`,
        }),
      ),
    ).toMatch(
      /lib\.ts:2: The function f imports npm:mime-db@1\/nothing\.js, which the package mime-db 1\.52\.0 does not have/,
    );
  });

  it("is refused if its bytes do not match its integrity", async () => {
    const damage = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.from("x")]);
    await using npm = await npmRegistry({ packages: [await packInstalled("mime-db")], damage });
    await using workshop = workshopOf(npm);
    expect(await messageOf(workshop.bundle({ "entry.ts": `import "npm:mime-db";` }))).toMatch(
      /entry\.ts:1: The function f imports npm:mime-db, which cannot be fetched: .*checksum/i,
    );
  });

  it("never runs its install scripts, and one note says so", async () => {
    await using canary = await serve(() => ({}));
    const script = `node -e "fs.writeFileSync('index.js', 'module.exports = 1337'); fetch('${canary.url}')"`;
    const scripts = { preinstall: script, install: script, postinstall: script };
    const hostile = await packFiles({
      "package.json": JSON.stringify({ name: "scripted", version: "1.0.0", scripts }),
      "index.js": "module.exports = 'as packed';",
    });
    await using npm = await npmRegistry({ packages: [hostile] });
    await using workshop = workshopOf(npm, { allowed: [canary.host] });
    const { code, notes } = await workshop.bundle({
      "entry.ts": `import value from "npm:scripted"; console.log(value);`,
    });
    expect(await output(code)).toBe("as packed");
    expect(canary.requested).toEqual([]);
    expect(notes).toEqual(["The install script of scripted@1.0.0 did not run."]);
  });

  it("is refused by name if it is a native addon, or needs one", async () => {
    const uses = await packFiles({
      "package.json": JSON.stringify({
        name: "uses-native",
        version: "2.0.0",
        dependencies: { "better-sqlite3": "*" },
      }),
      "index.js": `module.exports = require("better-sqlite3");`,
    });
    const compiled = await packFiles({
      "package.json": JSON.stringify({ name: "compiled-native", version: "1.0.0" }),
      "index.js": `module.exports = require("./prebuilt/addon.node");`,
      "prebuilt/addon.node": "binary",
    });
    const packages = [uses, compiled, await packInstalled("better-sqlite3"), await packInstalled("node-addon-api")];
    await using npm = await npmRegistry({ packages });
    await using workshop = workshopOf(npm);
    const of = (name: string): Promise<string> =>
      messageOf(
        workshop.bundle({ "entry.ts": `import "node:fs";\nimport native from "npm:${name}"; console.log(native);` }),
      );
    expect(await of("uses-native")).toMatch(
      /entry\.ts:2: .* imports npm:uses-native, which needs the native addon better-sqlite3@13\.2\.0/,
    );
    expect(await of("compiled-native")).toMatch(
      /which needs the native addon compiled-native@1\.0\.0\. Functions cannot run native code/,
    );
  });

  it("can do without optional packages that are native or missing", { tags: "all" }, async () => {
    const packages = await Promise.all(
      [
        {
          "package.json": { name: "patient", version: "1.0.0", optionalDependencies: { fast: "1.0.0" } },
          "index.js": `let fast = "slow"; try { fast = require("fast"); } catch (error) { fast += " " + error.code; }
            let extra = "none"; try { extra = require.resolve("not-installed"); } catch (error) { extra = error.code; }
            exports.all = [fast, extra, require.resolve("./worker.js"), typeof require("fs").readFileSync, typeof exports.late];
            exports.late = () => require("typescript");`,
        },
        {
          "package.json": { name: "fast", version: "1.0.0" },
          "binding.gyp": "{}",
          "index.js": `module.exports = require("./fast.node");`,
        },
        {
          "package.json": { name: "loader", version: "1.0.0", optionalDependencies: { "loader-linux": "1.0.0" } },
          "index.js": `module.exports = require("loader-linux");`,
        },
        {
          "package.json": { name: "loader-linux", version: "1.0.0", os: ["linux"], main: "a.node" },
          "a.node": "binary",
        },
      ].map((files) => packFiles({ ...files, "package.json": JSON.stringify(files["package.json"]) })),
    );
    await using npm = await npmRegistry({ packages });
    await using workshop = workshopOf(npm);
    const { code } = await workshop.bundle({
      "entry.ts": `import { all } from "npm:patient"; console.log(JSON.stringify(all));`,
    });
    expect(JSON.parse(await output(code))).toEqual([
      "slow MODULE_NOT_FOUND",
      "MODULE_NOT_FOUND",
      "./worker.js",
      "function",
      "undefined",
    ]);
    expect(await messageOf(workshop.bundle({ "entry.ts": `import "npm:loader";` }))).toMatch(
      /needs the native addon loader@1\.0\.0/,
    );
  });

  it("can read its platform, environment and location while it loads", { tags: "all" }, async () => {
    const asking = await packFiles({
      "package.json": `{ "name": "asking", "version": "1.0.0" }`,
      "index.js": `const os = require("os"); exports.facts = [os.hostname(), os.homedir(), os.cpus().length, os.EOL, __dirname, process.env.NODE_ENV];`,
      "index.mjs": `import { release } from "node:os"; import os from "os"; export const facts = [release(), os.hostname()];`,
    });
    await using npm = await npmRegistry({ packages: [asking] });
    await using workshop = workshopOf(npm);
    const { code } = await workshop.bundle({
      "entry.ts": `import { facts } from "npm:asking"; import { facts as more } from "npm:asking/index.mjs"; console.log(JSON.stringify([facts, more]));`,
    });
    expect(JSON.parse(await output(code))).toEqual([
      ["localhost", "/tmp", 0, "\n", "/", "production"],
      ["", "localhost"],
    ]);
  });

  it.each(["bubblewrap", "none"] as const)(
    "cannot bring files of this machine, with isolation %s",
    async (isolation) => {
      const secret = join(dir, "secret.js");
      await writeFile(secret, "module.exports = 'canary';");
      const up = "../".repeat(12);
      const manifest = (fields: object = {}): string =>
        JSON.stringify({ name: "hostile", version: "1.0.0", ...fields });
      const attempts: readonly Readonly<Record<string, string>>[] = [
        { "index.js": `module.exports = require(${JSON.stringify(secret)});` },
        { "index.js": `module.exports = require("${up}${secret.slice(1)}");` },
        { "package.json": manifest({ main: `${up}${secret.slice(1)}` }), "index.js": "" },
        { "package.json": manifest({ exports: `./${up}${secret.slice(1)}` }) },
        {
          "package.json": manifest({ imports: { "#a": `./${up}${secret.slice(1)}` } }),
          "index.js": `module.exports = require("#a");`,
        },
        {
          "package.json": manifest({ type: "module" }),
          "index.js": `export { default } from ${JSON.stringify(secret)} with { type: "text" };`,
        },
        {
          "package.json": manifest({ type: "module" }),
          "index.js": `export { default } from "file://${secret}" with { type: "text" };`,
        },
        {
          "package.json": manifest({ type: "module" }),
          "index.js": `export { default } from "data:text/javascript,export { default } from '${secret}'";`,
        },
        { "index.js": `const name = "secret"; module.exports = require(\`${up}${dir.slice(1)}/\${name}.js\`);` },
        {
          "package.json": manifest({ type: "module" }),
          "index.js": `const name = "secret"; export default await import(\`${up}${dir.slice(1)}/\${name}.js\`, { with: { type: "text" } });`,
        },
        { "index.js": `throw new Error("x");\n//# sourceMappingURL=file://${secret}` },
        {
          "tsconfig.json": `{ "extends": "${secret}", "compilerOptions": { "paths": { "*": ["${dir}/*"] } } }`,
          "index.js": `module.exports = require("secret.js");`,
        },
      ];
      await Promise.all(
        attempts.map(async (files) => {
          await using npm = await npmRegistry({
            packages: [await packFiles({ "package.json": manifest(), ...files })],
          });
          await using workshop = workshopOf(npm, { isolation });
          const result = await rejection(
            workshop.bundle({ "entry.ts": `import all from "npm:hostile"; console.log(all);` }),
          );
          const text = result instanceof CodedError ? `${result.code} ${result.message}` : JSON.stringify(result);
          expect([files, text]).toEqual([files, expect.not.stringContaining("canary")]);
          expect([files, text]).toEqual([files, expect.stringMatching(/^function_invalid |^\{"resolved"/)]);
        }),
      );
    },
  );

  it("can be an exact other version of the SDK, only if the operator allows it", { tags: "all" }, async () => {
    const other = await packFiles({
      "package.json": JSON.stringify({ name: "@base44/sdk", version: "0.8.31", type: "module", main: "index.js" }),
      "index.js": "export const createClient = 'the other one';",
    });
    await using npm = await npmRegistry({ packages: [other] });
    const files = {
      "entry.ts": `import { createClient } from "npm:@base44/sdk@0.8.31"; console.log(typeof createClient);`,
    };
    await using shipped = workshopOf(npm);
    expect(await output((await shipped.bundle(files)).code)).toBe("function");
    expect(npm.requested).toEqual([]);
    await using pinned = workshopOf(npm, { registries: { sdk_versions: ["0.8.31"] } });
    expect(await output((await pinned.bundle(files)).code)).toBe("string");
    const ranged = { "entry.ts": files["entry.ts"].replace("@0.8.31", "@^0.8.31") };
    expect(await output((await pinned.bundle(ranged)).code)).toBe("function");
  });
});

describe("a package of JSR", () => {
  const packages = [
    {
      name: "@scope/first",
      version: "1.0.0",
      exports: { ".": "./mod.ts", "./sub": "./src/sub.ts" },
      files: {
        "/mod.ts": `import { second } from "jsr:@scope/second@^1"; import { own } from "./src/own.ts"; export const first: string = second + own;`,
        "/src/own.ts": `export const own = "own";`,
        "/src/sub.ts": `import { createClient } from "npm:@base44/sdk@0.8.20"; export const sub: string = typeof createClient;`,
      },
    },
    {
      name: "@scope/second",
      version: "1.2.0",
      exports: { ".": "./mod.ts" },
      files: { "/mod.ts": `import mime from "npm:mime-types@2"; export const second: string = mime.lookup("a.txt");` },
    },
  ];

  it("is fetched with its dependencies, npm packages included, and locked with its integrity", async () => {
    await using npm = await npmRegistry({ packages: await Promise.all(["mime-types", "mime-db"].map(packInstalled)) });
    await using jsr = await jsrRegistry(packages);
    await using workshop = workshopOf(npm, { registries: { jsr: `${jsr.url}/` } });
    const { code, lock } = await workshop.bundle({
      "entry.ts": `import { first } from "jsr:@scope/first@1"; import { first as same } from "jsr:/@scope/first"; console.log(first, first === same);`,
    });
    expect(await output(code)).toBe("text/plainown true");
    const locked: { jsr: Record<string, { integrity: string }> } = JSON.parse(lock);
    expect(Object.keys(locked.jsr)).toEqual(["@scope/first@1.0.0", "@scope/second@1.2.0"]);
    for (const { integrity } of Object.values(locked.jsr)) expect(integrity).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is refused if a file does not match its checksum", async () => {
    await using npm = await npmRegistry({ packages: [] });
    await using jsr = await jsrRegistry(packages, (content) => content.replace("own", "bad"));
    await using workshop = workshopOf(npm, { registries: { jsr: `${jsr.url}/` } });
    expect(
      await messageOf(workshop.bundle({ "entry.ts": `\nimport { own } from "jsr:@scope/first"; console.log(own);` })),
    ).toMatch(
      /entry\.ts:2: The function f imports jsr:@scope\/first, which cannot be fetched: .*(integrity|checksum)/i,
    );
  });

  it("is refused by specifier, file and line if it does not exist", async () => {
    await using npm = await npmRegistry({ packages: [] });
    await using jsr = await jsrRegistry([]);
    await using workshop = workshopOf(npm, { registries: { jsr: `${jsr.url}/` } });
    expect(await messageOf(workshop.bundle({ "entry.ts": `import "jsr:@scope/none";` }))).toMatch(
      /entry\.ts:1: The function f imports jsr:@scope\/none, which cannot be fetched: .*@scope\/none/,
    );
  });
});

describe("a module of another host", () => {
  const TYPESCRIPT = { "content-type": "application/typescript" };

  async function withHost(
    respond: Respond,
    work: (workshop: Workshop, url: string, host: Host) => Promise<void>,
    options: WorkshopOptions = {},
  ): Promise<void> {
    await using npm = await npmRegistry({ packages: [] });
    await using host = await serveTls("code.test", respond);
    const authorities = join(dir, `${(count += 1)}.pem`);
    await writeFile(authorities, host.authority);
    await using workshop = workshopOf(npm, {
      ...options,
      authorities,
      hosts: { "code.test": "127.0.0.1", ...options.hosts },
      allowed: [host.host, ...(options.allowed ?? [])],
    });
    await work(workshop, host.url, host);
  }

  it("is fetched after redirects with its imports, and locked with its digest", { tags: "all" }, async () => {
    await withHost(
      ({ url }) => {
        if (url === "/a.ts") return { status: 302, headers: { location: "/v1/a.ts" } };
        if (url === "/v1/a.ts")
          return {
            headers: TYPESCRIPT,
            body: `import data from "./data.json" with { type: "json" }; import { b } from "/b.js"; export const a: number = data.n + b;`,
          };
        if (url === "/v1/data.json") return { headers: { "content-type": "application/json" }, body: `{ "n": 40 }` };
        return url === "/b.js" ? { headers: { "content-type": "text/javascript" }, body: "export const b = 2;" } : null;
      },
      async (workshop, url) => {
        const { code, lock } = await workshop.bundle({
          "entry.ts": `import { a } from "${url}/a.ts"; console.log(a);`,
        });
        expect(await output(code)).toBe("42");
        const locked: { remote: Record<string, string>; redirects: Record<string, string> } = JSON.parse(lock);
        expect(Object.keys(locked.remote)).toEqual([`${url}/b.js`, `${url}/v1/a.ts`, `${url}/v1/data.json`]);
        expect(locked.redirects).toEqual({ [`${url}/a.ts`]: `${url}/v1/a.ts` });
      },
    );
  });

  it("is refused by specifier, file and line if it or one of its imports does not exist", { tags: "all" }, async () => {
    await withHost(
      ({ url }) => (url === "/a.ts" ? { headers: TYPESCRIPT, body: `\n\nimport "./none.ts";` } : null),
      async (workshop, url) => {
        expect(await messageOf(workshop.bundle({ "entry.ts": `import "${url}/missing.ts";` }))).toContain(
          `entry.ts:1: The function f imports ${url}/missing.ts, which cannot be fetched: Module not found`,
        );
        const message = await messageOf(workshop.bundle({ "entry.ts": `import "node:fs";\nimport "${url}/a.ts";` }));
        expect(message).toContain(
          `entry.ts:2: The function f imports ${url}/a.ts, which cannot be fetched: Module not found "${url}/none.ts". at ${url}/a.ts:3`,
        );
      },
    );
  });

  it("cannot redirect to a private address, or to plain http", async () => {
    await using inside = await serve(() => ({
      headers: TYPESCRIPT,
      body: "export default 'the secret of a private network';",
    }));
    const targets = [
      inside.url,
      "http://169.254.169.254/latest/meta-data",
      "https://10.0.0.1/x.ts",
      "https://[::1]/x.ts",
      "https://metadata.test/x.ts",
      "file:///etc/passwd",
      "data:text/javascript,export default 1",
    ];
    await withHost(
      ({ url }) => ({ status: 302, headers: { location: targets[Number(url?.slice(1))] ?? "" } }),
      async (workshop, url) => {
        const refusals = targets.map(async (target, index) => {
          const message = await messageOf(
            workshop.bundle({ "entry.ts": `import secret from "${url}/${index}"; console.log(secret);` }),
          );
          expect([target, message]).toEqual([
            target,
            expect.stringContaining(`entry.ts:1: The function f imports ${url}/${index}, which `),
          ]);
        });
        await Promise.all(refusals);
        expect(inside.requested).toEqual([]);
      },
      { hosts: { "metadata.test": "169.254.169.254" } },
    );
  });

  it("cannot bring files of this machine", async () => {
    const bodies = [
      `import secret from "file:///etc/passwd" with { type: "text" }; export default secret;`,
      `const { default: secret } = await import("file:///etc/passwd", { with: { type: "text" } }); export default secret;`,
      `const name = "passwd"; export default await import(\`./etc/\${name}\`, { with: { type: "text" } });`,
      `const name = "passwd"; export default await import(\`../../../../../../../../etc/\${name}\`, { with: { type: "text" } });`,
      `export { default } from "data:text/javascript,export { default } from 'file:///etc/passwd' with { type: 'text' }";`,
    ];
    await withHost(
      ({ url }) => ({ headers: { "content-type": "text/javascript" }, body: bodies[Number(url?.slice(1))] ?? "" }),
      async (workshop, url) => {
        const refusals = bodies.map(async (body, index) => {
          const bundled = workshop.bundle({ "entry.ts": `import secret from "${url}/${index}"; console.log(secret);` });
          expect([body, await messageOf(bundled)]).toEqual([body, expect.not.stringContaining("root:")]);
        });
        await Promise.all(refusals);
      },
    );
  });

  it("that is private is refused with its reason, unless the operator allows it", async () => {
    await using npm = await npmRegistry({ packages: [] });
    await using workshop = openWorkshop({ registries: { npm: `${npm.url}/` }, hosts: { "inside.test": "10.1.2.3" } });
    expect(await messageOf(workshop.bundle({ "entry.ts": `import "https://inside.test/a.ts";` }))).toMatch(
      /imports https:\/\/inside\.test\/a\.ts, which cannot be fetched: .* inside\.test:443 was refused: .*private/,
    );
    expect(npm.requested).toEqual([]);
  });
});

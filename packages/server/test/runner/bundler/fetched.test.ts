/** npm packages that the bundler fetches. Real Deno in the sandbox, a registry on loopback. */
import { createHash } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import { rejection, temporaryFolder } from "../harness.ts";
import { messageOf, output, workshopOf } from "./fetching.ts";
import { npmRegistry, packFiles, packInstalled, serve } from "./registries.ts";

let dir: string;
beforeAll(async () => {
  dir = await temporaryFolder();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

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
    expect(await output(dir, code)).toBe("a bc application/json function function");
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
    expect(await output(dir, code)).toBe(`{"default":1,"path":"/"} /`);
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
    expect(await output(dir, code)).toBe("a function function /");
    expect(notes).toEqual(["npm:@base44/sdk@0.8.4 runs as version 0.8.50, which this server ships."]);
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
    expect(await output(dir, code)).toBe("text/plain");
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

  it("is refused if its registry names no digest of it, and locked with an old registry's SHA-1", async () => {
    const packages = [await packInstalled("mime-db")];
    await using bare = await npmRegistry({ packages, digestOf: () => ({}) });
    await using unlocked = workshopOf(bare);
    expect(await messageOf(unlocked.bundle({ "entry.ts": `import "npm:mime-db";` }))).toMatch(
      /The function f imports mime-db@[\d.]+, whose registry names no integrity\./,
    );
    const digestOf = (tarball: Buffer) => ({ shasum: createHash("sha1").update(tarball).digest("hex") });
    await using old = await npmRegistry({ packages, digestOf });
    await using locked = workshopOf(old);
    expect((await locked.bundle({ "entry.ts": `import "npm:mime-db";` })).lock).toMatch(/"integrity": "[0-9a-f]{40}"/);
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
    expect(await output(dir, code)).toBe("as packed");
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
    expect(JSON.parse(await output(dir, code))).toEqual([
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
    expect(JSON.parse(await output(dir, code))).toEqual([
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
    expect(await output(dir, (await shipped.bundle(files)).code)).toBe("function");
    expect(npm.requested).toEqual([]);
    await using pinned = workshopOf(npm, { registries: { sdk_versions: ["0.8.31"] } });
    expect(await output(dir, (await pinned.bundle(files)).code)).toBe("string");
    const ranged = { "entry.ts": files["entry.ts"].replace("@0.8.31", "@^0.8.31") };
    expect(await output(dir, (await pinned.bundle(ranged)).code)).toBe("function");
  });
});

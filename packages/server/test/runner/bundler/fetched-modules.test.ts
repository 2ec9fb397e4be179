/** Packages of JSR and modules of other hosts that the bundler fetches. Real Deno, sandboxed. */
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../harness.ts";
import { messageOf, output, workshopOf } from "./fetching.ts";
import { jsrRegistry, npmRegistry, packInstalled, serve, serveTls, type Host, type Respond } from "./registries.ts";
import { openWorkshop, type Workshop, type WorkshopOptions } from "./workshop.ts";

let dir: string;
beforeAll(async () => {
  dir = await temporaryFolder();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

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
    expect(await output(dir, code)).toBe("text/plainown true");
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
    const authorities = join(dir, `${randomUUID()}.pem`);
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
        expect(await output(dir, code)).toBe("42");
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

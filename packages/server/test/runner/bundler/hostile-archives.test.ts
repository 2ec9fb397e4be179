/** Packages whose archives or manifests npm did not create. The bundler reads only its sandbox. */
import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { messageOf, output, workshopOf } from "./fetching.ts";
import { npmRegistry } from "./registries.ts";

const MANIFEST = { name: "evil", version: "1.0.0", main: "index.js" };
const TYPES = { file: "0", hard_link: "1", symbolic_link: "2", device: "3", pipe: "6" } as const;
const BLOCK = 512;

interface Entry {
  readonly name: string;
  readonly content?: string;
  readonly type?: keyof typeof TYPES;
  readonly target?: string;
  /** As the header declares it. Default: the content's. */
  readonly size?: number;
}

/** Returns one entry of an archive (POSIX.1-1988, ustar). */
function packed({ name, content = "", type = "file", target = "", size }: Entry): Buffer {
  const data = Buffer.from(content);
  const header = Buffer.alloc(BLOCK);
  const length = (size ?? data.length).toString(8).padStart(11, "0");
  const fields: readonly (readonly [number, string])[] = [
    [0, name],
    [100, "0000644"],
    [108, "0000000"],
    [116, "0000000"],
    [124, length],
    [136, "00000000000"],
    [148, "        "],
    [156, TYPES[type]],
    [157, target],
    [257, "ustar\u000000"],
  ];
  for (const [offset, text] of fields) header.write(text, offset);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}

const archive = (entries: readonly Entry[]): Buffer =>
  gzipSync(Buffer.concat([...entries.map(packed), Buffer.alloc(2 * BLOCK)]));

const CODE: Entry = { name: "package/index.js", content: `module.exports = "fine";` };
const USUAL: readonly Entry[] = [{ name: "package/package.json", content: JSON.stringify(MANIFEST) }, CODE];

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "holdfast-test-hostile-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Bundles a function that imports the package with these entries, and returns the code. */
async function bundled(entries: readonly Entry[]): Promise<string> {
  await using npm = await npmRegistry({ packages: [{ manifest: MANIFEST, tarball: archive(entries) }] });
  await using workshop = workshopOf(npm);
  const { code } = await workshop.bundle({ "entry.ts": `import value from "npm:evil"; console.log(value);` });
  expect(workshop.failures).toEqual([]);
  return code;
}

describe("an archive", () => {
  it.each([
    ["outside of its folder", `package/../../../../../../..`, /not in output directory/],
    ["at an absolute path", "", /not in output directory/],
    ["that is longer than the archive", "package", /extends beyond archive/],
  ])("with a file %s is refused, and writes nothing", async (_where, folder, why) => {
    const outside = join(dir, "planted");
    const size = folder === "package" ? 8_000_000_000 : undefined;
    const entries = [
      ...USUAL,
      { name: `${folder}${outside}`, content: "planted", ...(size === undefined ? {} : { size }) },
    ];
    expect(await messageOf(bundled(entries))).toMatch(why);
    expect(existsSync(outside)).toBe(false);
  });

  it.each(["symbolic_link", "hard_link"] as const)("with a %s brings no file that it names", async (type) => {
    const link: Entry = { name: "package/index.js", type, target: "/etc/passwd" };
    const text: Entry = { name: "package/text.js", type, target: "/etc/passwd" };
    const folder: Entry = { name: "package/folder", type, target: dir };
    const below: Entry = { name: "package/folder/planted", content: "planted" };
    const code = await bundled([link, text, folder, below, ...USUAL]);
    expect([await output(dir, code), code.includes("root:")]).toEqual(["fine", false]);
    expect(existsSync(join(dir, "planted"))).toBe(false);
  });

  it("with devices and pipes is read without them", async () => {
    const code = await bundled([
      { name: "package/package.json", type: "pipe" },
      { name: "package/null", type: "device" },
      CODE,
    ]);
    expect(await output(dir, code)).toBe("fine");
  });
});

describe("a package.json", () => {
  const withManifest = (content: string): Promise<string> => bundled([{ name: "package/package.json", content }, CODE]);

  it.each([
    ["that begins with a byte order mark", `\uFEFF${JSON.stringify(MANIFEST)}`],
    ["that is a number", "7"],
    ["that names a file of the machine", JSON.stringify({ ...MANIFEST, main: "/etc/passwd" })],
    ["that names a file far above", JSON.stringify({ ...MANIFEST, main: "../../../../../../../../etc/passwd" })],
    ["that is nested deeply", `{"name":"evil","main":"index.js","x":${"[".repeat(50_000)}${"]".repeat(50_000)}}`],
  ])("%s works", async (_what, content) => {
    expect(await output(dir, await withManifest(content))).toBe("fine");
  });

  it.each([
    ["that is not JSON", "{nonsense"],
    ["with fields of other types", JSON.stringify({ ...MANIFEST, exports: 7, scripts: 3, dependencies: [1] })],
    ["with exports that lead out", JSON.stringify({ ...MANIFEST, exports: "./../../../../../../../etc/passwd" })],
  ])("%s refuses the import by its place", async (_what, content) => {
    expect(await messageOf(withManifest(content))).toContain("entry.ts:1: The function f imports npm:evil, which ");
  });
});

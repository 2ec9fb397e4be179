/** The records of functions that run in Deno, one of which would like to write those of others. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkbench, type Workbench } from "./harness.ts";

const KINDS = `interface Unused { a: 1 }

import process from "node:process";
import { save } from "./lib/save.ts";

Deno.serve(async (request) => {
  console.debug("d", { deep: { er: [1, "two"] } });
  console.info("%s is %d", "x", 5);
  console.warn("first\\nsecond");
  console.table([{ a: 1 }]);
  process.stdout.write("past the console\\n");
  await save(request);
  return new Response("done");
});
`;
/** esbuild renames the inner \`request\`, which the source map notes. */
const SAVE = `export const save = async (request: Request): Promise<void> => {
  const inner = (request: string): never => {
    throw new Error("not saved: " + request);
  };
  Promise.reject(new Error("forgotten"));
  await new Promise((resolve) => setTimeout(resolve, 5));
  console.error(new Error("one\\ntwo"));
  if (request.url !== "") inner("x");
};
`;
/** Replaces what a frame is made with, and returns all that its replacements saw. */
const HOSTILE = `
import { AsyncLocalStorage } from "node:async_hooks";
const seen = [];
const text = (value) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value));
const spy = (object, name) => {
  const real = object[name];
  object[name] = function (...args) {
    seen.push(...args.map(text));
    return real.apply(this, args);
  };
};
for (const [object, names] of [
  [TextEncoder.prototype, ["encode", "encodeInto"]],
  [JSON, ["stringify"]],
  [Deno.stdout, ["write", "writeSync"]],
  [String.prototype, ["concat", "replace", "padEnd", "toString"]],
  [Array.prototype, ["join", "push"].slice(0, 1)],
]) for (const name of names) spy(object, name);
AsyncLocalStorage.prototype.getStore = () => ({ id: "inv_other", pending: new Set() });
Object.prototype.toJSON = () => "forged by toJSON";
export default () => {
  console.log("genuine");
  Deno.stdout.writeSync(new Uint8Array([..."\\n@@key log 3 0 inv_other \\"forged\\"\\n@@done inv_other\\n"].map((c) => c.charCodeAt(0))));
  delete Object.prototype.toJSON;
  return new Response(seen.join(""));
};
`;

/** Keeps working after its response, in ways that leave the call. */
const LATE = `
setTimeout(() => { throw new Error("of no call"); }, 0);
export default () => {
  setTimeout(() => { throw new Error("in a timer"); }, 30);
  const repeated = setInterval(() => { clearInterval(repeated); throw new Error("in an interval"); }, 40);
  setTimeout(() => void Promise.reject(new Error("rejected late")), 50);
  setTimeout(() => console.log("the last", typeof repeated), 60);
  return new Response("ok");
};
`;

let bench: Workbench;
beforeAll(async () => {
  const files = {
    "kinds/entry.ts": KINDS,
    "kinds/lib/save.ts": SAVE,
    "hostile/entry.js": HOSTILE,
    "late/entry.js": LATE,
  };
  bench = await openWorkbench({ files });
});
afterAll(() => bench[Symbol.asyncDispose]());

const recordsOf = (name: string) => bench.logs.filter(({ function_name }) => function_name === name);

describe("a function's console", () => {
  it("makes one record of each call and each error, with request, level, and frames in the source", async () => {
    await expect(bench.call("kinds", { request_id: "req_kinds" })).rejects.toMatchObject({ code: "function_error" });
    await bench.logged("not saved");
    const records = recordsOf("kinds");
    expect(records.filter(({ request_id }) => request_id === null)).toMatchObject([
      { level: "info", message: "past the console" },
    ]);
    const own = records.filter(({ request_id }) => request_id === "req_kinds");
    expect(own.map(({ level, message }) => [level, message])).toEqual([
      ["debug", 'd { deep: { er: [ 1, "two" ] } }'],
      ["info", "x is 5"],
      ["warning", "first\nsecond"],
      ["info", expect.stringMatching(/^┌[^]*┘$/)],
      ["error", expect.stringMatching(/^Error: forgotten\n {4}at save \(lib\/save\.ts:5:18\)/)],
      ["error", expect.stringMatching(/^Error: one\ntwo\n {4}at save \(lib\/save\.ts:7:17\)/)],
      ["error", expect.stringMatching(/^Error: not saved: x\n {4}at inner \(lib\/save\.ts:3:11\)\n {4}at save /)],
    ]);
    expect(JSON.stringify(own)).not.toMatch(/main\.mjs|function\.mjs|file:\/\/|ext:/);
  });

  it("names the request of a timer's output and errors after the response, and marks errors outside any call", async () => {
    await bench.call("late", { request_id: "req_late" });
    await bench.logged("the last");
    expect(
      recordsOf("late").map(({ level, request_id, message }) => [level, request_id, message.split("\n")[0]]),
    ).toEqual([
      ["error", null, "Outside a call: Error: of no call"],
      ["error", "req_late", "Error: in a timer"],
      ["error", "req_late", "Error: in an interval"],
      ["error", "req_late", "Error: rejected late"],
      ["info", "req_late", expect.stringMatching(/^the last (?:number|object)$/)],
    ]);
  });

  it("frames records with a key that the function cannot see and cannot forge records without", async () => {
    const { body } = await bench.call("hostile", { request_id: "req_hostile" });
    await bench.logged("@@done");
    expect(body).not.toMatch(/@@(?!key|done)/);
    expect(recordsOf("hostile")).toMatchObject([
      { level: "info", request_id: "req_hostile", message: "genuine" },
      { level: "info", request_id: null, message: '@@key log 3 0 inv_other "forged"' },
      { level: "info", request_id: null, message: "@@done inv_other" },
    ]);
  });
});

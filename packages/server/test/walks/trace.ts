/**
 * Records which functions of the server a trip calls, in order. Vitest loads the server's sources
 * through this plugin in the project `walks` only: each function declaration reports its entry.
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync, Visitor, type Function as FunctionNode } from "oxc-parser";

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));
const KEY = "holdfast.walk";

/** One entry of a recording: a function and its file, relative to packages/server/src. */
export interface Call {
  readonly file: string;
  readonly name: string;
}

interface Recorder {
  calls: Call[] | null;
}

function recorder(): Recorder {
  const holder: typeof globalThis & { [KEY]?: Recorder } = globalThis;
  holder[KEY] ??= { calls: null };
  return holder[KEY];
}

/** Returns the calls that `action` causes, in the order of their entry. */
export async function record(action: () => Promise<unknown>): Promise<readonly Call[]> {
  const calls: Call[] = [];
  recorder().calls = calls;
  try {
    await action();
  } finally {
    recorder().calls = null;
  }
  return calls;
}

/** The vitest plugin. */
export const tracing = {
  name: "holdfast-walks",
  enforce: "pre" as const,
  transform(code: string, id: string): string | null {
    const [path = ""] = id.split("?", 1);
    if (!path.startsWith(SRC) || !path.endsWith(".ts") || path.endsWith(".deno.ts")) return null;
    return instrument(code, relative(SRC, path));
  },
};

function instrument(code: string, file: string): string {
  const insertions: { at: number; text: string }[] = [];
  new Visitor({
    FunctionDeclaration: ({ id, body }: FunctionNode) => {
      if (id === null || body === null) return;
      const call = JSON.stringify({ file, name: id.name });
      insertions.push({ at: body.start + 1, text: `globalThis[${JSON.stringify(KEY)}]?.calls?.push(${call});` });
    },
  }).visit(parseSync(file, code, { lang: "ts", sourceType: "module" }).program);
  return insertions
    .toSorted((a, b) => b.at - a.at)
    .reduce((text, { at, text: inserted }) => text.slice(0, at) + inserted + text.slice(at), code);
}

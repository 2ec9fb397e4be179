/**
 * The figures of ARCHITECTURE.md: one for each trip. A line is a step, as `function  file` and a
 * remark. Indentation shows which step calls which. This file ignores it.
 */
import { readFileSync } from "node:fs";
import type { Call } from "./trace.ts";

const ARCHITECTURE = new URL("../../../../ARCHITECTURE.md", import.meta.url);
const STEP = /^ *(\w+) +([a-z][\w/.-]*\.ts)(?: |$)/;

/** Returns the steps of the figure under the heading. @throws Error when there is none */
export function figure(heading: string): readonly Call[] {
  const text = readFileSync(ARCHITECTURE, "utf8");
  const section = text.split(`\n### ${heading}\n`)[1]?.split(/\n##/, 1)[0] ?? "";
  const block = /```text\n([\s\S]*?)```/.exec(section)?.[1] ?? "";
  const steps = block.split("\n").flatMap((line) => {
    const [, name, file] = STEP.exec(line) ?? [];
    return name === undefined || file === undefined ? [] : [{ name, file }];
  });
  if (steps.length === 0) throw new Error(`ARCHITECTURE.md has no figure under "${heading}".`);
  return steps;
}

/** Returns the first step that the calls do not contain after the steps before it, or null. */
export function firstMissing(steps: readonly Call[], calls: readonly Call[]): Call | null {
  let from = 0;
  for (const step of steps) {
    const at = calls.findIndex(({ file, name }, index) => index >= from && file === step.file && name === step.name);
    if (at === -1) return step;
    from = at + 1;
  }
  return null;
}

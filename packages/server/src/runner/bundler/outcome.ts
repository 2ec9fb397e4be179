/**
 * Reads what the bundler's process replied, or finds out why it did not. The process reads hostile
 * files, so its reply is checked like any other input.
 */
import { CodedError } from "../../core/errors.ts";
import type { Bundled, SourceTree } from "../../core/functions/functions.ts";
import type { Limits } from "../../core/limits.ts";
import { isJsonObject, type JsonValue } from "../../core/types.ts";
import type { Report } from "./run.ts";

export interface BundlerFailure {
  readonly function_name: string;
  readonly reason: string;
  /** The end of the process's stderr. For the log only: it can have paths of this machine. */
  readonly output: string;
}

interface Reading {
  readonly limits: Limits;
  readonly onFailure: (failure: BundlerFailure) => void;
}

/** The first ones are enough. */
const SHOWN_PROBLEMS = 2;
const TEXT_LENGTH = 1_000;
const SHOWN_NOTES = 20;
/** Begins the lines that name a request of the process. */
const FETCH = "Download ";
const MIB = 1_048_576;

/** @throws CodedError `function_invalid`, or `function_bundler_failed` */
export function bundledFrom({ limits, onFailure }: Reading, tree: SourceTree, report: Report): Bundled {
  const { exit, stop, output } = report;
  const why = whyStopped(limits, report);
  if (why !== null) throw invalid(tree, why);
  const outcome = stop === null && exit.code === 0 ? readReply(report.reply) : null;
  if (outcome === null) {
    const reason = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
    onFailure({ function_name: tree.function_name, reason, output });
    throw new CodedError("function_bundler_failed");
  }
  if ("problems" in outcome) throw invalid(tree, [...outcome.problems, ...report.refused].join(" "));
  if (outcome.code.length + outcome.source_map.length > limits.function_bundle_bytes) {
    throw invalid(tree, `Its bundle is larger than ${inMib(limits.function_bundle_bytes)}.`);
  }
  return outcome;
}

/** Returns `function_bundler_failed`, for a process that could not start. */
export function notStarted({ onFailure }: Reading, { function_name }: SourceTree, error: unknown): CodedError {
  onFailure({ function_name, reason: "not started", output: error instanceof Error ? error.message : "" });
  return new CodedError("function_bundler_failed", { cause: error });
}

export function invalid({ function_name }: SourceTree, why: string): CodedError {
  return new CodedError("function_invalid", { message: `The function ${function_name} cannot be loaded. ${why}` });
}

/** Returns which limit the function exceeded, or null. */
function whyStopped(limits: Limits, { stop, exit, output, refused }: Report): string | null {
  if (stop === "time") {
    const last = output.split("\n").findLast((line) => line.startsWith(FETCH));
    const waited = last === undefined ? [] : [`The last request was for ${printable(last.slice(FETCH.length))}.`];
    return [`Bundling took longer than ${limits.function_bundle_timeout_ms / 1_000} s.`, ...waited, ...refused].join(
      " ",
    );
  }
  if (stop === "bytes") return `Its imports are larger than ${inMib(limits.function_fetched_bytes)} in total.`;
  if (stop === "output") return `Its bundle is larger than ${inMib(limits.function_bundle_bytes)}.`;
  if (exit.killed_for === "memory")
    return `Bundling needs more memory than ${inMib(limits.function_bundle_memory_bytes)}.`;
  return null;
}

/** Returns null if it is not an outcome. */
function readReply(reply: string): Bundled | { readonly problems: readonly string[] } | null {
  const value = parsed(reply);
  if (!isJsonObject(value)) return null;
  const { kind, code, source_map, lock } = value;
  if (kind === "refused") return { problems: strings(value["problems"]).slice(0, SHOWN_PROBLEMS).map(printable) };
  if (kind !== "built" || typeof code !== "string" || typeof source_map !== "string" || typeof lock !== "string")
    return null;
  const printableList = (name: string): readonly string[] => strings(value[name]).slice(0, SHOWN_NOTES).map(printable);
  return { code, source_map, lock, notes: printableList("notes"), pins: printableList("pins") };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const strings = (value: JsonValue | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

/** The text can quote files of the function and of its packages. */
const printable = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ")
    .slice(0, TEXT_LENGTH);

const inMib = (bytes: number): string => `${Math.round((bytes / MIB) * 10) / 10} MiB`;

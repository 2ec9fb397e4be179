import { PassThrough } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import { readOutput, type OutputRecord } from "../../src/runner/output.ts";
import { createRedactor } from "../../src/runner/redact.ts";
import { manualClock, until } from "../support/clock.ts";

const KEY = "secret-key";
const TOKEN = "xoxb-1234567890-abcdef";

function start(
  limits = { function_log_record_bytes: 100, function_log_bytes_per_minute: 100_000 },
  secrets: Readonly<Record<string, string>> = { API_KEY: TOKEN },
) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const clock = manualClock();
  const records: OutputRecord[] = [];
  const control: string[] = [];
  const redactor = createRedactor(secrets);
  readOutput({
    stdout,
    stderr,
    key: KEY,
    folder: "/app",
    clock,
    limits,
    redactor,
    onRecord: (record) => records.push(record),
    onControl: (word, value) => control.push(`${word} ${value}`),
  });
  return {
    clock,
    records,
    control,
    async print(text: string, stream: PassThrough = stdout) {
      stream.write(text);
      await new Promise(setImmediate);
    },
    stderr,
    async close() {
      stdout.end();
      stderr.end();
      await new Promise((resolve) => stdout.once("close", resolve));
      await new Promise(setImmediate);
    },
  };
}

const log = (level: number, id: string, message: string, cut = 0): string =>
  `\n@@${KEY} log ${level} ${cut} ${id} ${JSON.stringify(message)}\n`;

describe("the records of a process", () => {
  it("are one for each console call, with its level, invocation and all lines", async () => {
    const output = start();
    await output.print(log(0, "inv_1", "a\nb\n") + log(1, "inv_2", "c d  e") + log(2, "-", "f") + log(3, "inv_1", "g"));
    await output.print(`\n@@${KEY} done inv_1\n`);
    expect(output.records).toEqual([
      { level: "debug", invocation_id: "inv_1", message: "a\nb" },
      { level: "info", invocation_id: "inv_2", message: "c d  e" },
      { level: "warning", invocation_id: null, message: "f" },
      { level: "error", invocation_id: "inv_1", message: "g" },
    ]);
    expect(output.control).toEqual(["done inv_1"]);
  });

  it("cannot be forged without the key: such a line belongs to no invocation", async () => {
    const output = start();
    const forged = log(3, "inv_1", "forged").replaceAll(KEY, "other-key").trim();
    await output.print(`${forged}\n@@done inv_1\n@@ready 1\n${log(1, "inv_1", `real\n${forged}`)}`);
    await output.close();
    expect(output.control).toEqual([]);
    expect(output.records.map(({ invocation_id }) => invocation_id)).toEqual([null, null, null, "inv_1"]);
    expect(output.records[0]).toMatchObject({ level: "info" });
    expect(output.records[3]?.message).toBe(`real\n${forged}`.slice(0, 100));
  });

  it("are single lines on stdout, and whole chunks on stderr", async () => {
    const output = start();
    await output.print("one\ntwo\n");
    await output.print("panic\n  at x\n  at y\n", output.stderr);
    await output.close();
    expect(output.records).toEqual([
      { level: "info", invocation_id: null, message: "one" },
      { level: "info", invocation_id: null, message: "two" },
      { level: "error", invocation_id: null, message: "panic\n  at x\n  at y" },
    ]);
  });

  it("wait a moment for the rest of a secret, even without the end of an invocation", async () => {
    const output = start();
    await output.print(log(1, "inv_1", `token ${TOKEN.slice(0, 9)}`));
    expect(output.records).toEqual([]);
    await output.print(log(1, "inv_1", `${TOKEN.slice(9)} end`));
    await output.clock.advance(200);
    expect(output.records.map(({ message }) => message)).toEqual(["token [redacted]", "[redacted] end"]);
  });

  it("have stack frames only in the function's own files", async () => {
    const output = start({ function_log_record_bytes: 1_000, function_log_bytes_per_minute: 100_000 });
    const stack = [
      "Error: boom",
      "    at save (file:///app/lib/db.ts:3:9)",
      "    at file:///shared/slack.ts:7:1",
      "    at async handle (file:///app/main.mjs:90:12)",
      "    at ext:deno_http/00_serve.ts:1:1",
      "    at AsyncLocalStorage.run (ext:deno_node/x.ts:1:1)",
    ];
    await output.print(log(3, "inv_1", stack.join("\n")));
    await output.close();
    expect(output.records[0]?.message).toBe("Error: boom\n    at save (lib/db.ts:3:9)\n    at shared/slack.ts:7:1");
  });

  it("keep the brace that opens an error's own fields, when the last frame is not the function's", async () => {
    const output = start({ function_log_record_bytes: 1_000, function_log_bytes_per_minute: 100_000 });
    const text = [
      "Error: boom",
      "    at save (file:///app/entry.ts:3:9)",
      "    at async handle (file:///app/main.mjs:90:12) {",
      '  code: "E1"',
      "}",
    ];
    await output.print(log(3, "inv_1", text.join("\n")));
    await output.close();
    expect(output.records[0]?.message).toBe('Error: boom\n    at save (entry.ts:3:9) {\n  code: "E1"\n}');
  });

  it("are cut at their limit, between two characters, and never inside a secret", async () => {
    const output = start();
    await output.print(
      log(1, "-", "é".repeat(80)) +
        log(1, "-", `${"x".repeat(90)}${TOKEN}`) +
        log(1, "-", `short ${TOKEN.slice(0, 12)}`, 1),
    );
    await output.close();
    expect(output.records.map(({ message }) => message)).toEqual([
      `${"é".repeat(50)}… (cut)`,
      `${"x".repeat(90)}[redacted]`,
      "short [redacted]… (cut)",
    ]);
  });

  it("change nothing on a terminal", async () => {
    const output = start();
    await output.print(log(1, "-", "\u001b[31mred\u001b[0m\u0000\u0007 a\tb \u202Eevil\u2066 \u001b]0;title\u0007x"));
    await output.close();
    expect(output.records[0]?.message).toBe("red a\tb evil x");
  });

  it("are dropped and counted beyond the limit of a minute, while control still works", async () => {
    const output = start({ function_log_record_bytes: 100, function_log_bytes_per_minute: 5_000 });
    for (let call = 0; call < 100; call += 1) await output.print(log(1, "inv_1", `line ${call}`) + "raw\n");
    await output.print(`\n@@${KEY} done inv_1\n`);
    // It reads slowly now, on the system's clock.
    await until("the end of the invocation was read", () => output.control.length > 0);
    expect(output.control).toEqual(["done inv_1"]);
    const kept = output.records.length;
    expect(kept).toBeLessThan(25);
    await output.clock.advance(60_000);
    expect(output.records.at(-1)).toEqual({
      level: "warning",
      invocation_id: null,
      message: `${200 - kept} records were dropped here: the function printed more than 5000 bytes in a minute.`,
    });
    await output.print(log(1, "inv_2", "later"));
    await output.close();
    expect(output.records.at(-1)?.message).toBe("later");
  });

  it("are not lost when a process ends", async () => {
    const output = start({ function_log_record_bytes: 100, function_log_bytes_per_minute: 300 });
    await output.print(`${log(1, "inv_1", "last")}unfinished`);
    await output.print("\nmore\n");
    await output.close();
    expect(output.records.map(({ message }) => message)).toEqual(["last", expect.stringContaining("2 records")]);
  });

  it("are empty for an incomplete frame", async () => {
    const output = start();
    await output.print(`\n@@${KEY} log 1 0 inv_1 "half\n@@${KEY} log\n@@${KEY} log 9 0 - "x"\n`);
    await output.close();
    expect(output.records).toEqual([{ level: "info", invocation_id: null, message: "x" }]);
  });

  it("beyond four times the limit are not counted and read slowly, and control still works", async () => {
    const output = start({ function_log_record_bytes: 100, function_log_bytes_per_minute: 1_000 });
    await output.print("x\n".repeat(1_000));
    await output.print(`${"x\n".repeat(2_000)}\n@@${KEY} done inv_1\n`);
    await output.print(`@@${KEY} done inv_2\n`);
    await vi.waitFor(() => expect(output.control).toEqual(["done inv_1", "done inv_2"]));
    await output.clock.advance(60_000);
    expect(output.records.at(-1)?.message).toMatch(/^More than \d{3} records were dropped here: the function printed/);
    await output.print("later\n");
    await output.close();
    expect(output.records.at(-1)?.message).toBe("later");
  });
});

/** Output that took seconds of the server's time, in which no other call was served. */
describe("a record that is made to take long", () => {
  const LENGTH = 120_000;
  const filled = (part: string): string => part.repeat(LENGTH / part.length);
  const alike = Array.from({ length: 100 }, (_, index) => [`S${index}`, `${"s".repeat(600)}${index}`] as const);

  it.each<[string, string, Readonly<Record<string, string>>]>([
    ["paths", `    at ${filled("file:///")}`, {}],
    ["paths with folders", `    at ${filled("file:///a/shared")}`, {}],
    ["beginnings of titles", filled("\u001b]"), {}],
    ["beginnings of sequences", filled("\u001b[1;"), {}],
    ["blanks", `a${filled(" \t")}b`, {}],
    ["halves of characters", `${filled("\ufffd")}x`, {}],
    ["a secret again and again", filled("s"), { KEY: "s".repeat(65_536) }],
    ["beginnings of many secrets", filled("s"), Object.fromEntries(alike)],
  ])("takes no time: %s", async (_what, message, secrets) => {
    const output = start({ function_log_record_bytes: 8_192, function_log_bytes_per_minute: 1_048_576 }, secrets);
    const started_at = performance.now();
    await output.print(log(1, "inv_1", message));
    await output.print(`${message}\n`);
    await output.print(`${message}\n`, output.stderr);
    await output.print(log(1, "inv_1", "end"));
    await output.close();
    // Milliseconds where nothing else runs, and seconds before the limits.
    expect(performance.now() - started_at).toBeLessThan(3_000);
    expect(output.records.map(({ message: text }) => text)).toContain("end");
  });
});

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRedactor } from "../../src/runner/redact.ts";

const TOKEN = "xoxb-1234567890-abcdefGHIJKL+/=end";
const REDACTED = "[redacted]";

const redactAll = (texts: readonly string[], secrets: readonly string[], is_cut = false): readonly string[] =>
  createRedactor(Object.fromEntries(secrets.map((secret, index) => [`S${index}`, secret]))).redact(texts, is_cut);
const redact = (text: string, secrets: readonly string[] = [TOKEN]): string => redactAll([text], secrets)[0] ?? "";

describe("redaction of a function's output", () => {
  it.each<[string, string, string]>([
    ["as it is", `token ${TOKEN}!`, `token ${REDACTED}!`],
    ["twice", `${TOKEN} ${TOKEN}`, `${REDACTED} ${REDACTED}`],
    ["split over two lines", `${TOKEN.slice(0, 9)}\n${TOKEN.slice(9)} after`, `${REDACTED} after`],
    ["with a space after each character", TOKEN.split("").join(" "), REDACTED],
    ["in a URL", `?token=${encodeURIComponent(TOKEN)}&a=1`, `?token=${REDACTED}&a=1`],
    ["as hex", Buffer.from(TOKEN).toString("hex"), REDACTED],
    ["as hex in capitals", Buffer.from(TOKEN).toString("hex").toUpperCase(), REDACTED],
    ["in a URL with small escapes", encodeURIComponent(TOKEN).replaceAll(/%../g, (one) => one.toLowerCase()), REDACTED],
  ])("finds a token %s", (_name, text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it.each(["p w(o)r'd!~*?/\"<>", "gr\u00fc\u00dfe an #alle & mehr=1", "100% secret %zz", "\ud800 half a pair"])(
    "finds %j in a form, and in a URL as a parser writes it",
    (secret) => {
      const forms = [
        new URLSearchParams({ key: secret }).toString(),
        new URL(`https://host.example/?key=${secret.replaceAll("#", "%23")}`).href,
        `key=${encodeURIComponent(secret.toWellFormed()).replaceAll(/%../g, (escape) => escape.toLowerCase())}`,
      ];
      for (const text of forms) expect(redact(text, [secret]).replace(/^.*key=/, "")).toBe(REDACTED);
    },
  );

  it.each([0, 1, 2, 3, 4, 5])("finds a token in base64 after %i other bytes", (offset) => {
    const text = Buffer.from(`${"user:xyz".slice(0, offset)}${TOKEN}${"tail".slice(0, offset)}`);
    for (const encoding of ["base64", "base64url"] as const) {
      const redacted = redact(`Basic ${text.toString(encoding)}`);
      expect(redacted).toContain(REDACTED);
      const left = redacted.replace("Basic ", "").replace(REDACTED, "").length;
      expect(left).toBeLessThan(16);
    }
  });

  it("finds a token that is split across consecutive records", () => {
    const parts = [`a ${TOKEN.slice(0, 5)}`, TOKEN.slice(5, 20), `${TOKEN.slice(20)} b`];
    expect(redactAll(parts, [TOKEN])).toEqual([`a ${REDACTED}`, REDACTED, `${REDACTED} b`]);
  });

  it("finds a multi-line secret whole, quoted, and by each long line", () => {
    const key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n";
    expect(redact(`key:\n${key}`, [key])).toBe(`key:\n${REDACTED}\n`);
    expect(redact(JSON.stringify({ key }), [key])).toBe(`{"key":"${REDACTED}"}`);
    expect(redact("line: MIIEvQIBADANBgkqhkiG9w0BAQEF", [key])).toBe(`line: ${REDACTED}`);
  });

  it("finds the beginning of a token at the end of a truncated record", () => {
    const [cut] = redactAll([`reply ${TOKEN.slice(0, 20)}`], [TOKEN], true);
    expect(cut).toBe(`reply ${REDACTED}`);
    expect(redact(`reply ${TOKEN.slice(0, 20)}`)).toContain(TOKEN.slice(0, 20));
  });

  it("finds any part of a token of 16 KB that has a whole stretch of it", () => {
    const long = Array.from({ length: 16_384 }, (_, index) =>
      String.fromCharCode(97 + ((index * 7 + (index >> 5)) % 26)),
    ).join("");
    expect(redact(`x ${long} y`, [long])).toBe(`x ${REDACTED} y`);
    expect(redactAll([long.slice(0, 8_000)], [long], true)).toEqual([REDACTED]);
  });

  it("drops the tokens of an invocation at its end, and keeps access tokens", () => {
    const redactor = createRedactor({});
    redactor.hideDuring("inv_1", ["token-of-inv-1", "token-of-user"]);
    redactor.hideDuring("inv_2", ["token-of-inv-2"]);
    redactor.hide("access-token");
    redactor.end("inv_1");
    const texts = ["token-of-inv-1", "token-of-inv-2", "access-token"];
    expect(redactor.redact(texts)).toEqual(["token-of-inv-1", REDACTED, REDACTED]);
    for (let index = 0; index < 100; index += 1) redactor.hide(`another-token-${index}`);
    expect(redactor.redact(["access-token", "another-token-0"])).toEqual(["access-token", REDACTED]);
  });

  it("leaves a short secret and everything else alone", () => {
    expect(redact("the year 2026 is 2026", ["2026", ""])).toBe("the year 2026 is 2026");
    expect(redact("  two\n lines  ")).toBe("  two\n lines  ");
  });

  it("never lets a whole token through, for any white space and ends of records", () => {
    const characters = fc.constantFrom(...Array.from("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_."));
    fc.assert(
      fc.property(
        fc.array(characters, { minLength: 8, maxLength: 60 }),
        fc.array(fc.constantFrom("", "", "", " ", "\n", "|"), { minLength: 60, maxLength: 60 }),
        fc.string({ maxLength: 20 }),
        (token, gaps, around) => {
          const secret = token.join("");
          const text = around + token.map((character, index) => character + gaps[index]).join("") + around;
          const printed = redactAll(text.split("|"), [secret]).join("").replaceAll(/\s/g, "");
          expect(printed).not.toContain(secret);
        },
      ),
    );
  });
});

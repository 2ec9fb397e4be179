import { describe, expect, it } from "vitest";
import { providers } from "../../src/providers/index.ts";
import { checkConfig } from "../../src/providers/template.ts";
import { fuzzConfig, INJECTIONS } from "./config-fuzz.ts";

const fields = [...providers.values()].flatMap((provider) =>
  provider.config_fields.map((field) => ({ provider, field, title: `${provider.id}.${field.name}` })),
);

describe("settings of a connection", () => {
  it("property: no config moves any template of the catalog to another host or path", () => {
    const report = fuzzConfig({ runs: 30_000, seed: 42 });
    expect(report.broken).toEqual([]);
    // Most configs are rejected. If none were accepted, nothing was tested.
    expect(report.filled).toBeGreaterThan(5_000);
  });

  it.each(fields)("$title accepts its placeholder, and rejects every injection around it", ({ provider, field }) => {
    const errorsOf = (value: string) => {
      const checked = checkConfig(provider, { [field.name]: value });
      return "errors" in checked ? checked.errors.filter(({ name }) => name === field.name) : [];
    };
    expect(errorsOf(field.placeholder)).toEqual([]);
    const harmless = /^[a-zA-Z0-9._/-]*$/;
    const accepted = INJECTIONS.filter((text) => !harmless.test(text)).flatMap((text) =>
      [text, `${field.placeholder}${text}`, `${text}${field.placeholder}`].filter(
        (value) => errorsOf(value).length === 0,
      ),
    );
    expect(accepted).toEqual([]);
  });

  it.each(fields)("$title reports an invalid value with its own message", ({ provider, field }) => {
    const checked = checkConfig(provider, { [field.name]: "\n" });
    const messages = "errors" in checked ? checked.errors.map(({ message }) => message) : [];
    expect(messages).toContain(field.validation_error);
  });
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { providers } from "../packages/server/src/providers/index.ts";
import { generateProviderDocs } from "./generate-providers.ts";
import { DIFFERENCES } from "./provider-differences.ts";

const ROOT = join(import.meta.dirname, "..");
const pages = generateProviderDocs();

describe("the pages about services", () => {
  it("are what the catalog says: run npm run generate", () => {
    for (const [path, text] of pages) expect([path, readFileSync(join(ROOT, path), "utf8")]).toEqual([path, text]);
  });

  it("are all of the folder, one for each service", () => {
    const present = readdirSync(join(ROOT, "docs/providers")).map((name) => `docs/providers/${name}`);
    expect(present.toSorted()).toEqual([...pages.keys()].filter((path) => path.endsWith(".md")).toSorted());
    expect(present).toHaveLength(providers.size + 2);
  });

  it.each([...providers.values()])("$id: tells what to register where, and what every scope means", (provider) => {
    // Columns of tables are padded.
    const text = (pages.get(`docs/providers/${provider.id}.md`) ?? "").replaceAll(/ +/g, " ");
    expect(text).toContain(`\`<public URL>/api/external-auth/callback/${provider.vendor}\``);
    expect(text).toContain(provider.registration.url);
    const parts = [
      ...provider.registration.notes,
      ...provider.traps,
      ...provider.unverified,
      ...provider.sources,
      ...provider.common_scopes.map(({ scope, meaning }) => `| \`${scope}\` | ${meaning} |`),
      ...provider.config_fields.map(({ name }) => `| \`${name}\` |`),
    ];
    for (const part of parts) expect(text).toContain(part);
  });

  it("name only services that there are where sources disagree", () => {
    const named = DIFFERENCES.flatMap((difference) => difference.providers);
    expect(named.filter((id) => !providers.has(id))).toEqual([]);
  });
});

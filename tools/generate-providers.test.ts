import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { providers } from "../packages/server/src/providers/index.ts";
import { generateProviderDocs } from "./generate-providers.ts";
import { DIFFERENCES } from "./provider-differences.ts";

const ROOT = join(import.meta.dirname, "..");
const pages = generateProviderDocs();

describe("the pages about services", () => {
  it("match the catalog (run npm run generate)", () => {
    for (const [path, text] of pages) expect([path, readFileSync(join(ROOT, path), "utf8")]).toEqual([path, text]);
  });

  it("fill the folder, one for each service", () => {
    const present = readdirSync(join(ROOT, "docs/providers")).map((name) => `docs/providers/${name}`);
    expect(present.toSorted()).toEqual([...pages.keys()].filter((path) => path.endsWith(".md")).toSorted());
    expect(present).toHaveLength(providers.size + 2);
  });

  it.each([...providers.values()])("$id: shows what to register where, and the meaning of every scope", (provider) => {
    // Table columns are padded.
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

  it("list only existing services where sources disagree", () => {
    const listed = DIFFERENCES.flatMap((difference) => difference.providers);
    expect(listed.filter((id) => !providers.has(id))).toEqual([]);
  });
});

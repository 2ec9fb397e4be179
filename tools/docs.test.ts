import { existsSync, globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import config from "../oxlint.config.ts";
import { read, ROOT } from "./root.ts";

const pages = globSync(["*.md", "docs/**/*.md", "packages/*/README.md"], { cwd: ROOT });
const decisions = pages.filter((path) => path.startsWith("docs/adr/0"));

/** Returns a heading's anchor as GitHub does: lower case, hyphens for blanks, no punctuation. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

const anchorsOf = (path: string): readonly string[] =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] ?? ""));

/** Returns the links of a page to files and headings that do not exist. */
function brokenLinks(page: string): readonly string[] {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? page : join(dirname(page), file);
    return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
  });
}

describe("the documentation", () => {
  it("is found", () => {
    expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/errors.md", "packages/sdk/README.md"]));
    expect(decisions.length).toBeGreaterThan(5);
  });

  it.each(pages)("%s has no broken link", (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });

  it("describes the architecture in at most 220 lines", () => {
    expect(read("ARCHITECTURE.md").split("\n").length).toBeLessThanOrEqual(220);
  });

  it.each(decisions)("%s is short, and says what would change our mind", (page) => {
    expect(read(page).split("\n").length).toBeLessThanOrEqual(60);
    expect(read(page)).toMatch(/^## We would change our mind if$/m);
    expect(read("docs/adr/README.md")).toContain(basename(page));
  });

  it("gives the reason for each lint rule that is off", () => {
    const off = Object.entries(config.rules).flatMap(([rule, level]) => (level === "off" ? [rule] : []));
    const section = read("CONTRIBUTING.md").split("### Lint rules that are off everywhere")[1]?.split("\n## ")[0] ?? "";
    const explained = [...section.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? "");
    expect(explained.toSorted()).toEqual(off.toSorted());
  });
});

/** Connector files: what pull leaves unchanged, what push would change, and that the two agree. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { applyPull, planPull, readConnectorFiles, type DeclaredConnector } from "../../src/cli/connectors/files.ts";
import { describePush, isDestructive, planPush } from "../../src/cli/connectors/push-plan.ts";

function temporaryDirectory(files: Readonly<Record<string, string>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-files-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

const pull = (directory: string, remote: readonly DeclaredConnector[]) => {
  const plan = planPull(directory, remote);
  applyPull(directory, plan);
  return plan;
};

const filesIn = (directory: string): Record<string, string> =>
  Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")]));

it("writes type and scopes, and creates the directory", () => {
  const directory = join(temporaryDirectory(), "connectors");
  pull(directory, [{ type: "slack", scopes: ["chat:write"] }]);
  expect(filesIn(directory)).toEqual({
    "slack.jsonc": '{\n  "type": "slack",\n  "scopes": [\n    "chat:write"\n  ]\n}\n',
  });
});

it("keeps a file byte for byte if its scopes match, in any order and layout, under any name", () => {
  const text = '\uFEFF// Ours.\r\n{"scopes":["b",\t"a",],"type":"slack"}';
  const directory = temporaryDirectory({ "our-chat.json": text, "notes.txt": "kept" });
  const plan = pull(directory, [{ type: "slack", scopes: ["a", "b"] }]);
  expect([plan.written, plan.unchanged]).toEqual([[], ["slack"]]);
  expect(filesIn(directory)).toEqual({ "our-chat.json": text, "notes.txt": "kept" });
});

it("changes only the scopes of a file, and keeps comments, other keys and the layout", () => {
  const text = '{\n\t// Requested by sales.\n\t"type": "slack",\n\t"owner": "sales", // ours\n\t"scopes": ["a"]\n}\n';
  const directory = temporaryDirectory({ "slack.jsonc": text });
  pull(directory, [{ type: "slack", scopes: ["b"] }]);
  const after = readFileSync(join(directory, "slack.jsonc"), "utf8");
  expect(after.replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, "").replace('["a"]', '["b"]'));
  expect(after).toContain("\t// Requested by sales.\n");
  expect(readConnectorFiles(directory)).toMatchObject([{ type: "slack", scopes: ["b"] }]);
});

it("deletes files of connectors that the app does not have, and only connector files", () => {
  const directory = temporaryDirectory({ "slack.jsonc": '{"type":"slack"}', "readme.md": "" });
  mkdirSync(join(directory, "more"));
  expect(pull(directory, []).deleted).toMatchObject([{ type: "slack" }]);
  expect(readdirSync(directory).toSorted()).toEqual(["more", "readme.md"]);
});

it.each([
  ["a broken file", { "a.jsonc": '{\n  "type": "slack"\n  "scopes": []\n}' }, /a\.jsonc:3: CommaExpected/],
  ["a list", { "a.jsonc": "[]" }, /must contain one object/],
  ["no type", { "a.jsonc": "{}" }, /"type" must be the name of a service/],
  ["a type that is a path", { "a.jsonc": '{"type":"../x"}' }, /"type" must be the name of a service/],
  ["scopes that are a string", { "a.jsonc": '{"type":"x","scopes":"a b"}' }, /"scopes" must be a list/],
  [
    "two files for one type",
    { "a.jsonc": '{"type":"x"}', "b.json": '{"type":"x"}' },
    /a\.jsonc and .*b\.json are both/,
  ],
])("refuses %s, and names the place", (_name, files, sentence) => {
  expect(() => readConnectorFiles(temporaryDirectory(files))).toThrow(sentence);
});

it("writes no file outside the directory for any connector name from the server", () => {
  expect(() => planPull(temporaryDirectory(), [{ type: "../../evil", scopes: [] }])).toThrow(
    /not from a Holdfast server/,
  );
});

it("shows each scope that a push adds or drops, and distinguishes replaced and removed connectors from new ones", () => {
  const files = [
    { type: "github", scopes: ["repo", "user"] },
    { type: "notion", scopes: [] },
    { type: "slack", scopes: [] },
    { type: "xero", scopes: ["b", "a"] },
  ];
  const remote = [
    { type: "github", scopes: ["user", "gist"] },
    { type: "slack", scopes: ["chat:write"] },
    { type: "wrike", scopes: [] },
    { type: "xero", scopes: ["a", "b"] },
  ];
  expect(describePush(planPush(files, remote)).split("\n")).toEqual([
    "~ github: changed scopes",
    "    + repo",
    "    - gist",
    "+ notion: new, with the default scopes",
    "~ slack: the default scopes instead of these",
    "    - chat:write",
    "  xero: no change",
    "- wrike: removed, and its connection ended",
  ]);
  expect(isDestructive(planPush(files, remote))).toBe(true);
  expect(isDestructive(planPush(files, []))).toBe(false);
  expect(isDestructive(planPush(remote, remote))).toBe(false);
});

const connectors = fc
  .uniqueArray(
    fc.record({
      type: fc.stringMatching(/^[a-z0-9_-]{1,12}$/),
      scopes: fc.uniqueArray(fc.stringMatching(/^[!#-[\]-~]{1,20}$/), { maxLength: 5 }),
    }),
    { selector: ({ type }) => type, maxLength: 6 },
  )
  .map((list) => list.toSorted((a, b) => (a.type < b.type ? -1 : 1)));

it("has nothing to push after a pull, and nothing to pull again, for any files before", () => {
  fc.assert(
    fc.property(connectors, connectors, (before, remote) => {
      const directory = mkdtempSync(join(tmpdir(), "holdfast-files-"));
      try {
        pull(directory, before);
        pull(directory, remote);
        const files = readConnectorFiles(directory);
        expect(planPush(files, remote).filter(({ change }) => change !== "same")).toEqual([]);
        expect(planPull(directory, remote)).toMatchObject({ written: [], deleted: [] });
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

#!/usr/bin/env node
// Plain JavaScript, so that an older Node can parse this file and print the requirement instead of
// crashing (better-sqlite3 13 segfaults on Node 20).
const major = Number(process.versions.node.split(".", 1)[0]);
if (major < 24) {
  console.error(
    `holdfast requires Node.js 24 or later. This is ${process.versions.node} (${process.execPath}).\n` +
      `In a checkout, use "npx --no-install holdfast" or "npm start". Both use the Node that npm ci installed.`,
  );
  process.exitCode = 78;
} else {
  const { existsSync } = await import("node:fs");
  const source = new URL("../src/main.ts", import.meta.url);
  if (existsSync(source)) {
    // A checkout. The other workspaces export their sources under this condition, so no build is needed.
    const { registerHooks } = await import("node:module");
    registerHooks({
      resolve: (specifier, context, next) =>
        next(specifier, { ...context, conditions: [...context.conditions, "holdfast-source"] }),
    });
    await import(source.href);
  } else {
    await import(new URL("../dist/main.js", import.meta.url).href);
  }
}

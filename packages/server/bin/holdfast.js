#!/usr/bin/env node
// Plain JavaScript on purpose: an older Node must be able to parse this file, so that it can say what is needed
// instead of crashing (better-sqlite3 13 segfaults on Node 20).
const major = Number(process.versions.node.split(".", 1)[0]);
if (major < 24) {
  console.error(
    `holdfast needs Node.js 24 or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      `In a checkout use "npx --no-install holdfast" or "npm start": both run on the Node that npm ci installed.`,
  );
  process.exitCode = 78;
} else {
  const { existsSync } = await import("node:fs");
  const source = new URL("../src/main.ts", import.meta.url);
  if (existsSync(source)) {
    // A checkout: the other workspaces name their sources under this condition, so nothing has to be built first.
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

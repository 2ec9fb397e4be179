import { defineConfig } from "oxlint";
import { importRules } from "./tools/layers.ts";

/** Layers in which each returned promise is awaited. forgotten-await.test.ts plants omissions. */
export const RETURNS_AWAITED: readonly string[] = ["store", "service", "http"];

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "promise", "node", "vitest"],
  categories: { correctness: "error", suspicious: "error" },
  options: { typeAware: true },
  ignorePatterns: ["**/dist/**", "**/*.deno.ts"],
  rules: {
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/await-thenable": "error",
    "typescript/switch-exhaustiveness-check": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/consistent-return": "off",
    "typescript/unbound-method": "off",
    "unicorn/consistent-function-scoping": "off",
    "import/no-cycle": "error",
    "import/no-named-as-default-member": "off",
  },
  overrides: [
    ...importRules(),
    {
      files: ["packages/*/src/**"],
      // A promise is never null, so a comparison with null shows a forgotten await.
      rules: { "typescript/no-unnecessary-condition": "error" },
    },
    {
      files: RETURNS_AWAITED.map((layer) => `packages/*/src/${layer}/**`),
      // Where each returned promise is awaited, a returned variable without an await shows, too.
      rules: { "typescript/return-await": ["error", "always"] },
    },
  ],
});

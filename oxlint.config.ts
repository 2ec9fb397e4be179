import { defineConfig } from "oxlint";
import { importRules } from "./tools/layers.ts";

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
  overrides: [...importRules()],
});

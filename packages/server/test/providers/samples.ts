/**
 * Sample values for the settings and derived values that URLs need, as builders and vendors would
 * give them.
 */
import type { ConnectionConfig } from "../../src/core/types.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { accepts } from "../../src/providers/template.ts";

const CANDIDATES: readonly string[] = [
  "acme",
  "11223344-a1b2-3b33-c444-def123456789",
  "www.wrike.com",
  "dbc-a1b2c3d4-e5f6.cloud.databricks.com",
  "https://acme.my.salesforce.com",
  "https://na3.docusign.net",
  "eu1",
];

/**
 * Returns the first candidate that fits, for each setting without a default and each derived value.
 */
export function sampleConfig(provider: Provider): ConnectionConfig {
  const values = [...provider.config_fields.filter((field) => field.default === null), ...provider.derived_config];
  return Object.fromEntries(
    values.flatMap((value) => {
      const found = CANDIDATES.find((candidate) => accepts(value, candidate));
      return found === undefined ? [] : [[value.name, found] as const];
    }),
  );
}

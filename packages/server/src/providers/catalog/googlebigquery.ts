/**
 * Google BigQuery. https://cloud.google.com/bigquery/docs/authentication (checked 2026-11-23)
 *
 * A set of scopes in the Google family. Under Google Cloud session control a refresh can fail with
 * `invalid_grant`, subtype `invalid_rapt`.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googlebigquery = defineProvider({
  ...googleFamily,
  id: "googlebigquery",
  display_name: "Google BigQuery",
  description: "Query and load BigQuery data.",
  docs_url: "https://cloud.google.com/bigquery/docs/authentication",
  registration: googleRegistration("BigQuery API"),
  traps: [
    ...googleFamily.traps,
    "With Google Cloud session control, an administrator can force users to sign in again. A refresh then fails with invalid_rapt.",
  ],
  default_scopes: [`${SCOPE}/bigquery`],
  common_scopes: [
    { scope: `${SCOPE}/bigquery`, meaning: "query and manage data" },
    { scope: `${SCOPE}/bigquery.readonly`, meaning: "read data and metadata" },
    { scope: `${SCOPE}/bigquery.insertdata`, meaning: "insert rows by streaming" },
    { scope: `${SCOPE}/cloud-platform`, meaning: "all Google Cloud resources" },
    { scope: `${SCOPE}/cloud-platform.read-only`, meaning: "read all Google Cloud resources" },
    { scope: `${SCOPE}/devstorage.read_only`, meaning: "read Cloud Storage (exports, external tables)" },
    { scope: `${SCOPE}/devstorage.read_write`, meaning: "read and write Cloud Storage" },
  ],
  hosts: [{ name: "api", base_url: "https://bigquery.googleapis.com" }],
  sources: [...googleFamily.sources, "https://cloud.google.com/bigquery/docs/authentication"],
});

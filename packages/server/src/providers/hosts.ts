/**
 * The API hosts of a provider, for a proxy that allows only these or a simulator in their place.
 */
import type { Provider } from "./provider.ts";
import { namesIn } from "./template.ts";

/** Returns host patterns: `slack.com`, or `*.salesforce.com` if the connection decides the host. */
export function hostPatterns(provider: Provider): readonly string[] {
  const values = [...provider.config_fields, ...provider.derived_config];
  return provider.hosts.flatMap(({ base_url }) => {
    const [, host = base_url] = /^https:\/\/([^/?#]*)/.exec(base_url) ?? [];
    const [literal_suffix = ""] = /[^{}]*$/.exec(host) ?? [];
    if (literal_suffix === host) return [host];
    if (literal_suffix !== "") return [`*${literal_suffix}`];
    const domains = namesIn(host).flatMap((name) => values.find((value) => value.name === name)?.under ?? []);
    return domains.map((domain) => `*.${domain}`);
  });
}

/** Which hosts a provider's API has: for whoever leads requests elsewhere (a simulator), or lets none but these by. */
import type { Provider } from "./provider.ts";
import { namesIn } from "./template.ts";

/** `slack.com`, or `*.salesforce.com` for hosts that only the connection knows. */
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

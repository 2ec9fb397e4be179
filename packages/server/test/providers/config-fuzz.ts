/**
 * Runs random configs against every URL template of the catalog. The oracle does not use the code
 * that fills in templates. It accepts a host if it is the literal one, or is under the literal
 * suffix or one of the declared domains.
 */
import { urlsOf } from "../../src/providers/check.ts";
import { providers } from "../../src/providers/index.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { fillTemplate } from "../../src/providers/template.ts";
import { sampleConfig } from "./samples.ts";

/** Fragments that are known to change the host or path in some URL parser. */
export const INJECTIONS: readonly string[] = [
  "/ \\ # ? @ : . .. ; , & = % + * ' \" < > ( ) [ ] { } | ^ ` ~ ! $".split(" "),
  [
    "\n",
    "\r",
    "\t",
    " ",
    "\0",
    "\u00a0",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\u3002",
    "\uff0e",
    "\uff0f",
    "\u2100",
    "\u00df",
  ],
  "%00 %0a %2e%2e %2f %40 %23 %5c %252e %EF%BC%8F xn-- xn--e1awd7f.com".split(" "),
  "// /// \\\\ /.. ../ /%2e%2e/ https:// http:// javascript: file:/// data:".split(" "),
  "evil.com .evil.com @evil.com #evil.com ?evil.com /evil.com evil.com/ evil.com# :443@evil.com".split(" "),
  "127.0.0.1 127.1 0x7f.1 2130706433 0177.0.0.1 [::1] localhost 169.254.169.254 metadata".split(" "),
  ":8443 :443 :80 :0 user:pass@ salesforce.com.evil.com evilsalesforce.com wrike.com.evil.com".split(" "),
  ["${x}", "{client_id}", "{instance_url}", "__proto__", "constructor", "\u0430pple", "ａ", "é", "．"],
].flat();

export interface FuzzReport {
  readonly runs: number;
  /** How many templates yielded a URL. The others were rejected. */
  readonly filled: number;
  /** Each violation, with the config that caused it. */
  readonly broken: readonly string[];
}

/**
 * Returns a deterministic random generator (mulberry32): the same seed produces the same configs.
 */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function fuzzConfig({ runs, seed }: { readonly runs: number; readonly seed: number }): FuzzReport {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const targets = [...providers.values()].flatMap((provider) => {
    const urls = urlsOf(provider).filter(([, url]) => url.includes("{"));
    return urls.length === 0
      ? []
      : [{ provider, urls, sample: { ...defaultsOf(provider), ...sampleConfig(provider) } }];
  });
  const broken: string[] = [];
  let filled = 0;
  for (let run = 0; run < runs; run += 1) {
    const target = pick(targets);
    if (target === undefined) break;
    const config = Object.fromEntries(
      Object.entries(target.sample).map(([name, value]) => [name, mutated(value, random)]),
    );
    for (const [pointer, template] of target.urls) {
      const url = fillTemplate(
        target.provider,
        template,
        config,
        random() < 0.5 ? "client-1" : mutated("client-1", random),
      );
      if (url === null) continue;
      filled += 1;
      if (!isOwn(target.provider, template, url))
        broken.push(`${target.provider.id}${pointer} ${JSON.stringify(config)} ${url}`);
    }
  }
  return { runs, filled, broken };
}

function defaultsOf(provider: Provider): Record<string, string> {
  return Object.fromEntries(provider.config_fields.map(({ name, default: preset }) => [name, preset ?? "x"]));
}

/**
 * Returns the value unchanged, with an injection, replaced by an injection, or replaced by noise.
 */
function mutated(value: string, random: () => number): string {
  const injection = INJECTIONS[Math.floor(random() * INJECTIONS.length)] ?? "";
  const at = Math.floor(random() * (value.length + 1));
  const kind = random();
  if (kind < 0.25) return value;
  if (kind < 0.6) return value.slice(0, at) + injection + value.slice(at);
  if (kind < 0.75) return injection + value;
  if (kind < 0.85) return value.slice(0, at) + injection;
  if (kind < 0.9) return injection;
  const length = Math.floor(random() * 24);
  return Array.from({ length }, () => String.fromCharCode(Math.floor(random() * 0x180))).join("");
}

/**
 * Reports whether a URL stays within its template: https, the template's own host, no user info,
 * port or fragment, and as many path segments as the template.
 */
function isOwn(provider: Provider, template: string, text: string): boolean {
  const url = new URL(text);
  const plain =
    url.protocol === "https:" && url.port === "" && url.username === "" && url.password === "" && url.hash === "";
  return plain && url.href.startsWith(text) && hostIsOwn(provider, template, url.hostname) && pathIsOwn(template, url);
}

function hostIsOwn(provider: Provider, template: string, hostname: string): boolean {
  const host = /^https:\/\/([^/?#]*)/.exec(template)?.[1] ?? /^\{\w+\}/.exec(template)?.[0] ?? "";
  if (!host.includes("{")) return hostname === host;
  const suffix = host.slice(host.lastIndexOf("}") + 1);
  if (suffix !== "") return hostname.endsWith(suffix) && hostname.length > suffix.length;
  const name = /\{(\w+)\}/.exec(host)?.[1];
  const under =
    [...provider.config_fields, ...provider.derived_config].find((value) => value.name === name)?.under ?? [];
  return under.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`));
}

function pathIsOwn(template: string, url: URL): boolean {
  const [path = ""] = template.replace(/^(?:https:\/\/[^/?#]*|\{\w+\})/, "").split("?");
  return url.pathname.split("/").length === Math.max(2, path.split("/").length);
}

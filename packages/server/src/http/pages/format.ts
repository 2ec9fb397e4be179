/** How pages show what machines write: instants and browsers' names for themselves. */
import { html, type Html } from "./html.ts";

/** To the minute, in UTC: the server does not know where the person is. @param at ms since the epoch */
export function shownTime(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace("T", " ")} UTC</time>`;
}

/** The first that is found counts: most browsers also name those that they want to be taken for. */
const BROWSERS: readonly (readonly [string, string])[] = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
];
const SYSTEMS: readonly (readonly [string, string])[] = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["CrOS", "ChromeOS"],
  ["Linux", "Linux"],
];

/** `Firefox on Linux`; what is not known as a browser is shown as it calls itself. */
export function shownBrowser(user_agent: string | null): string {
  if (user_agent === null || user_agent === "") return "A browser";
  const nameIn = (names: typeof BROWSERS) => names.find(([mark]) => user_agent.includes(mark))?.[1];
  const [browser, system] = [nameIn(BROWSERS), nameIn(SYSTEMS)];
  if (browser === undefined) return user_agent;
  return system === undefined ? browser : `${browser} on ${system}`;
}

/** Formats instants and browsers for pages. */
import { html, type Html } from "./html.ts";

/**
 * Returns an instant to the minute, in UTC: the server does not know the user's time zone.
 *
 * @param at in ms since the epoch
 */
export function formatTime(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace("T", " ")} UTC</time>`;
}

/** The first match counts. Most browsers also name the browsers that they are compatible with. */
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

/** Returns `Firefox on Linux`, or the user agent itself when its browser is unknown. */
export function formatBrowser(user_agent: string | null): string {
  if (user_agent === null || user_agent === "") return "A browser";
  const browser = BROWSERS.find(([mark]) => user_agent.includes(mark))?.[1];
  const system = SYSTEMS.find(([mark]) => user_agent.includes(mark))?.[1];
  if (browser === undefined) return user_agent;
  return system === undefined ? browser : `${browser} on ${system}`;
}

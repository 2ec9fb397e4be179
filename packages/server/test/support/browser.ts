/**
 * A browser without a screen: a cookie jar, pages, forms, and no redirect that a test did not ask for. Each step of a consent
 * is a method of its own, so that tests can stop between two of them, change something, or go on in another browser.
 */
import { approveConsent, type Consent } from "@holdfast/simulator";
import { readReply, type Reply } from "./http.ts";
import { decode } from "../../src/cli/demo/html-text.ts";

export interface Browser {
  /** By name. Change it to lose, steal or forge a cookie. */
  readonly cookies: Map<string, string>;
  /** Paths and absolute URLs of the server. Redirects are not followed: see `location` of the reply's headers. */
  get(address: string, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /** Posts a form, with the headers a browser adds on a page of the same origin unless others are given. */
  post(
    address: string,
    form: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>;
  /** Opens a setup link, fills in its form where it has one, and presses its button. */
  signIn(setup_url: string, account?: Readonly<Record<string, string>>): Promise<void>;
  /** Opens our connect link and presses Connect. @returns the provider's authorization URL, from our go page. */
  start(connect_url: string, fields?: Readonly<Record<string, string>>): Promise<string>;
  /** Opens the provider's answer (a callback URL) and the page it leads to. @returns the result page, or the error's. */
  finish(callback_url: string): Promise<Reply>;
  /** start, approve at the simulator, finish. @returns the result page. */
  consent(connect_url: string, consent?: Consent, fields?: Readonly<Record<string, string>>): Promise<Reply>;
}

/** @param public_url where pages and callbacks are; @param listen_url where the server listens for them */
export function createBrowser(public_url: string, listen_url: string): Browser {
  const cookies = new Map<string, string>();

  function keep(line: string): void {
    const [pair = "", ...attributes] = line.split(";");
    const at = pair.indexOf("=");
    const over = attributes.some((attribute) => /^\s*max-age=0$/i.test(attribute));
    if (over) cookies.delete(pair.slice(0, at));
    else cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  async function send(address: string, init: RequestInit, headers: Readonly<Record<string, string>>): Promise<Reply> {
    const url = new URL(address, public_url);
    if (url.origin !== public_url && url.origin !== listen_url)
      throw new Error(`The browser would have left the server for ${url.origin}.`);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(`${listen_url}${url.pathname}${url.search}`, {
      redirect: "manual",
      ...init,
      headers: { accept: "text/html", ...(cookie === "" ? {} : { cookie }), ...headers },
    });
    for (const line of response.headers.getSetCookie()) keep(line);
    return readReply(response);
  }

  const browser: Browser = {
    cookies,
    get: (address, headers = {}) => send(address, {}, headers),
    post: (address, form, headers = { origin: public_url, "sec-fetch-site": "same-origin" }) =>
      send(address, { method: "POST", body: new URLSearchParams(form) }, headers),

    async signIn(setup_url, account = {}) {
      const page = await browser.get(setup_url);
      const done = await browser.post(setup_url, { ...fieldsOf(page.text), ...account });
      if (page.status !== 200 || done.status !== 303)
        throw new Error(`Signing in answered ${done.status}: ${done.text}`);
    },

    async start(connect_url, fields = {}) {
      const confirm = await browser.get(connect_url);
      const form = { ...fieldsOf(confirm.text), ...fields };
      const started = await browser.post(connect_url, form);
      const location = started.headers.get("location");
      if (location === null) throw new Error(`Pressing Connect answered ${started.status}: ${textOf(started.text)}`);
      const go = await browser.get(location);
      const authorize_url = authorizationUrlOf(go.text);
      if (authorize_url === null) throw new Error(`The go page answered ${go.status}: ${textOf(go.text)}`);
      return authorize_url;
    },

    async finish(callback_url) {
      const reply = await browser.get(callback_url);
      const location = reply.headers.get("location");
      return location === null ? reply : browser.get(location);
    },

    async consent(connect_url, consent = {}, fields = {}) {
      const authorize_url = await browser.start(connect_url, fields);
      return browser.finish(await approveConsent(authorize_url, consent));
    },
  };
  return browser;
}

/** Where a go page leads on to, or null. */
export function authorizationUrlOf(page: string): string | null {
  const found = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(page)?.[1];
  return found === undefined ? null : decode(found);
}

/** The page's form as a browser would send it untouched. */
export function fieldsOf(page: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, attributes = ""] of page.matchAll(/<input\s([^>]*)>/g)) {
    const name = /(?:^|\s)name="([^"]*)"/.exec(attributes)?.[1];
    if (name !== undefined) fields[name] = decode(/\svalue="([^"]*)"/.exec(attributes)?.[1] ?? "");
  }
  return fields;
}

/** What a person reads: the page without its tags, blanks made one. */
export function textOf(page: string): string {
  return decode(page.replaceAll(/<[^>]*>/g, " "))
    .replaceAll(/\s+/g, " ")
    .trim();
}

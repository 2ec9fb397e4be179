/**
 * A headless browser: a cookie jar, pages and forms. It does not follow redirects. Each step of a
 * consent is a separate method, so that tests can stop between steps, change something, or continue
 * in another browser.
 */
import { approveConsent, type Consent } from "@holdfast/simulator";
import { readReply, type Reply } from "./http.ts";
import { decode } from "../../src/cli/demo/html-text.ts";

export interface Browser {
  /** Cookies by name. Change the map to lose, steal or forge one. */
  readonly cookies: Map<string, string>;
  /**
   * Requests a path or an absolute URL of the server. Redirects are in the reply's `location`
   * header.
   */
  get(address: string, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /**
   * Posts a form, by default with the headers that a browser sends on a page of the same origin.
   */
  post(
    address: string,
    form: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>;
  /** Opens a setup link, fills in its form if any, and submits it. */
  signIn(setup_url: string, account?: Readonly<Record<string, string>>): Promise<void>;
  /**
   * Opens a connect link and presses Connect.
   *
   * @returns the provider's authorization URL, from the go page
   */
  start(connect_url: string, fields?: Readonly<Record<string, string>>): Promise<string>;
  /**
   * Opens a callback URL and the page it redirects to.
   *
   * @returns the result page or the error page
   */
  finish(callback_url: string): Promise<Reply>;
  /** Starts, approves at the simulator, and finishes. @returns the result page */
  consent(connect_url: string, consent?: Consent, fields?: Readonly<Record<string, string>>): Promise<Reply>;
}

/**
 * Creates a browser without cookies.
 *
 * @param public_url origin of pages and callbacks
 * @param listen_url origin at which the server listens for them
 */
export function createBrowser(public_url: string, listen_url: string): Browser {
  const cookies = new Map<string, string>();

  function store(line: string): void {
    const [pair = "", ...attributes] = line.split(";");
    const at = pair.indexOf("=");
    const is_expired = attributes.some((attribute) => /^\s*max-age=0$/i.test(attribute));
    if (is_expired) cookies.delete(pair.slice(0, at));
    else cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  async function send(address: string, init: RequestInit, headers: Readonly<Record<string, string>>): Promise<Reply> {
    const url = new URL(address, public_url);
    if (url.origin !== public_url && url.origin !== listen_url)
      throw new Error(`The browser would leave the server for ${url.origin}.`);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(`${listen_url}${url.pathname}${url.search}`, {
      redirect: "manual",
      ...init,
      headers: { accept: "text/html", ...(cookie === "" ? {} : { cookie }), ...headers },
    });
    for (const line of response.headers.getSetCookie()) store(line);
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
        throw new Error(`Signing in returned ${done.status}: ${done.text}`);
    },

    async start(connect_url, fields = {}) {
      const confirm = await browser.get(connect_url);
      const form = { ...fieldsOf(confirm.text), ...fields };
      const started = await browser.post(connect_url, form);
      const location = started.headers.get("location");
      if (location === null) throw new Error(`Pressing Connect returned ${started.status}: ${textOf(started.text)}`);
      const go = await browser.get(location);
      const authorize_url = authorizationUrlOf(go.text);
      if (authorize_url === null) throw new Error(`The go page returned ${go.status}: ${textOf(go.text)}`);
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

/** Returns the URL that a go page leads to, or null. */
export function authorizationUrlOf(page: string): string | null {
  const found = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(page)?.[1];
  return found === undefined ? null : decode(found);
}

/** Returns the fields of a page's form, as a browser would send them unchanged. */
export function fieldsOf(page: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, attributes = ""] of page.matchAll(/<input\s([^>]*)>/g)) {
    const name = /(?:^|\s)name="([^"]*)"/.exec(attributes)?.[1];
    if (name !== undefined) fields[name] = decode(/\svalue="([^"]*)"/.exec(attributes)?.[1] ?? "");
  }
  return fields;
}

/** Returns the text that a user reads: the page without tags, with single spaces. */
export function textOf(page: string): string {
  return decode(page.replaceAll(/<[^>]*>/g, " "))
    .replaceAll(/\s+/g, " ")
    .trim();
}

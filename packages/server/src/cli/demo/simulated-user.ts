/**
 * Plays the user in `demo --auto`: signs in by a setup link, presses our buttons, approves at the
 * simulator. Works over HTTP as a browser does, with its own cookie jar, and has only a user's
 * access.
 */
import { approveConsent } from "@holdfast/simulator";
import { decode, titleOf } from "./html-text.ts";

const MAX_REDIRECTS = 5;
/** A link to the app's page of a service needs one more press than a link to the consent itself. */
const MAX_PRESSES = 2;

export interface SimulatedUser {
  /** `account` fills in the form of a link that asks for the user's account. */
  signIn(setup_url: string, account?: Readonly<Record<string, string>>): Promise<void>;
  /**
   * Goes from the connect link to the result page. `consent` acts at the provider: it takes the
   * authorization URL and returns the callback URL. By default it approves at the simulator.
   */
  connect(connect_url: string, consent?: (authorize_url: string) => Promise<string>): Promise<void>;
}

interface Jar {
  readonly server_url: string;
  readonly cookies: Map<string, string>;
}

interface Page {
  readonly url: string;
  readonly html: string;
}

export function createSimulatedUser(server_url: string): SimulatedUser {
  const jar = { server_url, cookies: new Map<string, string>() };
  return {
    signIn: (setup_url, account = {}) => signIn(jar, setup_url, account),
    connect: (connect_url, consent = approveConsent) => connect(jar, connect_url, consent),
  };
}

async function signIn(jar: Jar, setup_url: string, account: Readonly<Record<string, string>>): Promise<void> {
  const form = formOf(await open(jar, setup_url, null));
  for (const [name, value] of Object.entries(account)) form.set(name, value);
  await open(jar, setup_url, form);
}

async function connect(
  jar: Jar,
  connect_url: string,
  consent: (authorize_url: string) => Promise<string>,
): Promise<void> {
  let page = await open(jar, connect_url, null);
  for (let press = 0; press < MAX_PRESSES && nextOf(page) === null; press += 1)
    page = await open(jar, page.url, formOf(page));
  const authorize_url = nextOf(page);
  if (authorize_url === null) throw new Error(`The connect page did not lead to the provider: ${titleOf(page.html)}`);
  await open(jar, await consent(authorize_url), null);
}

/** Requests a page, submits a form to it if given, and follows redirects on the server. */
async function open(jar: Jar, url: string, form: URLSearchParams | null, redirects = 0): Promise<Page> {
  const { server_url, cookies } = jar;
  if (new URL(url).origin !== server_url)
    throw new Error(`The demo would have left the server for ${new URL(url).origin}.`);
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const reply = await fetch(url, {
    method: form === null ? "GET" : "POST",
    redirect: "manual",
    headers: {
      accept: "text/html",
      ...(cookie === "" ? {} : { cookie }),
      ...(form === null ? {} : { origin: server_url }),
    },
    ...(form === null ? {} : { body: form }),
  });
  for (const line of reply.headers.getSetCookie()) keep(cookies, line);
  const location = reply.headers.get("location");
  if (location !== null && redirects < MAX_REDIRECTS)
    return open(jar, new URL(location, url).href, null, redirects + 1);
  const html = await reply.text();
  if (!reply.ok) throw new Error(`${new URL(url).pathname} returned status ${reply.status}: ${titleOf(html)}`);
  return { url, html };
}

function keep(cookies: Map<string, string>, line: string): void {
  const [pair = ""] = line.split(";", 1);
  const at = pair.indexOf("=");
  cookies.set(pair.slice(0, at), pair.slice(at + 1));
}

/** Returns the page's form as a browser would send it without input. */
function formOf({ html }: Page): URLSearchParams {
  const form = new URLSearchParams();
  for (const [, attributes = ""] of html.matchAll(/<input ([^>]*)>/g)) {
    const name = / ?name="([^"]*)"/.exec(attributes)?.[1];
    if (name !== undefined) form.append(name, decode(/ value="([^"]*)"/.exec(attributes)?.[1] ?? ""));
  }
  return form;
}

/** Returns the address that the page goes to automatically. */
function nextOf({ html }: Page): string | null {
  const next = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(html)?.[1];
  return next === undefined ? null : decode(next);
}

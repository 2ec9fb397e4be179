/**
 * Plays the person in `demo --auto`: signs in by a setup link, presses our buttons, approves at the simulator. Works as a
 * browser would, over HTTP, with a cookie jar of its own; it has no other way in than a person has.
 */
import { approveConsent } from "@holdfast/simulator";
import { decode, titleOf } from "./html-text.ts";

const MAX_REDIRECTS = 5;
/** A link to the app's page of a service takes one press more than a link to the consent itself. */
const MAX_PRESSES = 2;

export interface Person {
  /** `account` fills in the form of a link that asks who one is. */
  signIn(setup_url: string, account?: Readonly<Record<string, string>>): Promise<void>;
  /**
   * From the connect link to the result page. `consent` is what happens at the provider: from the authorization URL to the
   * callback URL; by default the simulator's consent is approved.
   */
  connect(connect_url: string, consent?: (authorize_url: string) => Promise<string>): Promise<void>;
}

interface Shown {
  readonly url: string;
  readonly page: string;
}

export function createPerson(server_url: string): Person {
  const cookies = new Map<string, string>();

  async function request(url: string, form: URLSearchParams | null, redirects = 0): Promise<Shown> {
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
    for (const line of reply.headers.getSetCookie()) keep(line);
    const location = reply.headers.get("location");
    if (location !== null && redirects < MAX_REDIRECTS)
      return request(new URL(location, url).href, null, redirects + 1);
    const page = await reply.text();
    if (!reply.ok) throw new Error(`${new URL(url).pathname} answered ${reply.status}: ${titleOf(page)}`);
    return { url, page };
  }

  function keep(line: string): void {
    const [pair = ""] = line.split(";", 1);
    const at = pair.indexOf("=");
    cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  return {
    async signIn(setup_url, account = {}) {
      const { page } = await request(setup_url, null);
      const form = fieldsOf(page);
      for (const [name, value] of Object.entries(account)) form.set(name, value);
      await request(setup_url, form);
    },
    async connect(connect_url, consent = approveConsent) {
      let shown = await request(connect_url, null);
      for (let press = 0; press < MAX_PRESSES && nextOf(shown.page) === null; press += 1)
        shown = await request(shown.url, fieldsOf(shown.page));
      const authorize_url = nextOf(shown.page);
      if (authorize_url === null) throw new Error(`The connect page did not lead on: ${titleOf(shown.page)}`);
      await request(await consent(authorize_url), null);
    },
  };
}

/** The form as a browser would send it untouched. */
function fieldsOf(page: string): URLSearchParams {
  const fields = new URLSearchParams();
  for (const [, attributes = ""] of page.matchAll(/<input ([^>]*)>/g)) {
    const name = / ?name="([^"]*)"/.exec(attributes)?.[1];
    if (name !== undefined) fields.append(name, decode(/ value="([^"]*)"/.exec(attributes)?.[1] ?? ""));
  }
  return fields;
}

/** Where a page leads on to by itself. */
function nextOf(page: string): string | null {
  const next = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(page)?.[1];
  return next === undefined ? null : decode(next);
}

/**
 * A person at a browser, over HTTP: makes an account, connects accounts at simulated services, lets command lines in. Presses
 * the buttons of our pages as they are; a page that changes shape fails here.
 */
import { approveConsent } from "@holdfast/simulator";
import { decode, titleOf } from "../../packages/server/src/cli/demo/html-text.ts";

export interface Visitor {
  readonly email: string;
  /** Through the setup link: an account, signed in. */
  setUp(setup_url: string): Promise<void>;
  /** From a connect link to the page that says it is done. */
  connect(connect_url: string, consent?: (authorize_url: string) => Promise<string>): Promise<void>;
  /** Types the code that a command line shows, and agrees or not. */
  decide(verification_uri: string, user_code: string, decision: "approved" | "denied"): Promise<void>;
}

interface Shown {
  readonly url: string;
  readonly page: string;
}

const MAX_PAGES = 8;

export function createVisitor(server_url: string, name = "Ada"): Visitor {
  const email = `${name.toLowerCase()}@example.com`;
  const cookies = new Map<string, string>();

  async function open(url: string, form: URLSearchParams | null = null): Promise<Shown> {
    const cookie = [...cookies].map(([key, value]) => `${key}=${value}`).join("; ");
    const reply = await fetch(url, {
      method: form === null ? "GET" : "POST",
      redirect: "manual",
      headers: {
        accept: "text/html",
        ...(cookie === "" ? {} : { cookie }),
        ...(form === null ? {} : { origin: server_url, "sec-fetch-site": "same-origin" }),
      },
      ...(form === null ? {} : { body: form }),
    });
    for (const line of reply.headers.getSetCookie()) {
      const [pair = ""] = line.split(";", 1);
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    const location = reply.headers.get("location");
    if (location !== null) return open(new URL(location, url).href);
    const page = await reply.text();
    if (reply.status >= 400) throw new Error(`${new URL(url).pathname} answered ${reply.status}: ${titleOf(page)}`);
    return { url, page };
  }

  /** The page's form with what it holds, and what the person types. */
  async function submit({ url, page }: Shown, typed: Readonly<Record<string, string>> = {}): Promise<Shown> {
    const form = new URLSearchParams();
    for (const [, attributes = ""] of page.matchAll(/<input\b([^>]*)>/g)) {
      const field = /\bname="([^"]*)"/.exec(attributes)?.[1];
      if (field !== undefined) form.set(field, decode(/\bvalue="([^"]*)"/.exec(attributes)?.[1] ?? ""));
    }
    for (const [field, value] of Object.entries(typed)) form.set(field, value);
    const action = /<form\b[^>]*\baction="([^"]*)"/.exec(page)?.[1];
    return open(new URL(action === undefined ? url : decode(action), url).href, form);
  }

  return {
    email,
    async setUp(setup_url) {
      await submit(await open(setup_url), { name, email, password: `a long password of ${name}` });
    },
    async connect(connect_url, consent = approveConsent) {
      let shown = await open(connect_url);
      for (let count = 0; count < MAX_PAGES; count++) {
        const next = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(shown.page)?.[1];
        if (next !== undefined) {
          await open(await consent(decode(next)));
          return;
        }
        shown = await submit(shown);
      }
      throw new Error(`The connect page did not lead on: ${titleOf(shown.page)}`);
    },
    async decide(verification_uri, user_code, decision) {
      const asked = await submit(await open(verification_uri), { user_code });
      await submit(asked, { decision });
    },
  };
}

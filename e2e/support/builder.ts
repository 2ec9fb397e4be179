/**
 * A builder at a browser, over HTTP: creates an account, connects accounts at simulated services,
 * approves command lines. Submits the forms of our pages as they are, so a page that changes its
 * shape fails here.
 */
import { approveConsent } from "@holdfast/simulator";
import { decode, titleOf } from "../../packages/server/src/cli/demo/html-text.ts";

export interface Builder {
  readonly email: string;
  /** Creates an account through the setup link, and stays signed in. */
  setUp(setup_url: string): Promise<void>;
  /** Follows a connect link until the account is connected. */
  connect(connect_url: string, consent?: (authorize_url: string) => Promise<string>): Promise<void>;
  /** Enters the code that a command line shows, and approves or denies it. */
  decide(verification_uri: string, user_code: string, decision: "approved" | "denied"): Promise<void>;
}

interface Session {
  readonly server_url: string;
  readonly cookies: Map<string, string>;
}

interface OpenPage {
  readonly url: string;
  readonly html: string;
}

const MAX_PAGES = 8;

export function createBuilder(server_url: string, name = "Ada"): Builder {
  const email = `${name.toLowerCase()}@example.com`;
  const session: Session = { server_url, cookies: new Map() };
  return {
    email,
    async setUp(setup_url) {
      const page = await open(session, setup_url);
      await submit(session, page, { name, email, password: `a long password of ${name}` });
    },
    connect: (connect_url, consent = approveConsent) => connect(session, connect_url, consent),
    async decide(verification_uri, user_code, decision) {
      const page = await submit(session, await open(session, verification_uri), { user_code });
      await submit(session, page, { decision });
    },
  };
}

async function connect(
  session: Session,
  connect_url: string,
  consent: (authorize_url: string) => Promise<string>,
): Promise<void> {
  let page = await open(session, connect_url);
  for (let count = 0; count < MAX_PAGES; count++) {
    const next = /<meta http-equiv="refresh" content="0; url=([^"]+)"/.exec(page.html)?.[1];
    if (next !== undefined) {
      await open(session, await consent(decode(next)));
      return;
    }
    page = await submit(session, page);
  }
  throw new Error(`The connect page led to no provider: ${titleOf(page.html)}`);
}

async function open(session: Session, url: string, form: URLSearchParams | null = null): Promise<OpenPage> {
  const { server_url, cookies } = session;
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
  if (location !== null) return open(session, new URL(location, url).href);
  const html = await reply.text();
  if (reply.status >= 400) throw new Error(`${new URL(url).pathname} returned ${reply.status}: ${titleOf(html)}`);
  return { url, html };
}

/** Submits the page's form with its own values and the ones the builder typed. */
async function submit(
  session: Session,
  { url, html }: OpenPage,
  typed: Readonly<Record<string, string>> = {},
): Promise<OpenPage> {
  const form = new URLSearchParams();
  for (const [, attributes = ""] of html.matchAll(/<input\b([^>]*)>/g)) {
    const field = /\bname="([^"]*)"/.exec(attributes)?.[1];
    if (field !== undefined) form.set(field, decode(/\bvalue="([^"]*)"/.exec(attributes)?.[1] ?? ""));
  }
  for (const [field, value] of Object.entries(typed)) form.set(field, value);
  const action = /<form\b[^>]*\baction="([^"]*)"/.exec(html)?.[1];
  return open(session, new URL(action === undefined ? url : decode(action), url).href, form);
}

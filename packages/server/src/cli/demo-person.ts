/**
 * Plays the person in `demo --auto`: signs in by a setup link, presses our buttons, approves at the simulator. Works as a
 * browser would, over HTTP, with a cookie jar of its own; it has no other way in than a person has.
 */
import { approveConsent } from "@holdfast/simulator";

const MAX_REDIRECTS = 5;

export interface Person {
  signIn(setup_url: string): Promise<void>;
  /** From the connect link to the result page. */
  connect(connect_url: string): Promise<void>;
}

export function createPerson(server_url: string): Person {
  const cookies = new Map<string, string>();

  async function request(url: string, form: URLSearchParams | null, redirects = 0): Promise<string> {
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
    return page;
  }

  function keep(line: string): void {
    const [pair = ""] = line.split(";", 1);
    const at = pair.indexOf("=");
    cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  return {
    async signIn(setup_url) {
      await request(setup_url, null);
      await request(setup_url, new URLSearchParams());
    },
    async connect(connect_url) {
      const confirm = await request(connect_url, null);
      const go = await request(connect_url, fieldsOf(confirm));
      const authorize_url = /<meta http-equiv="refresh" content="0; url=([^"]+)">/.exec(go)?.[1];
      if (authorize_url === undefined) throw new Error(`The connect page did not lead on: ${titleOf(go)}`);
      await request(await approveConsent(decode(authorize_url)), null);
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

const titleOf = (page: string): string => decode(/<title>([^<]*)<\/title>/.exec(page)?.[1] ?? "no page");

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
  "&amp;": "&",
};
const decode = (text: string): string =>
  text.replaceAll(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity] ?? entity);

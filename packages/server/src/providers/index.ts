/**
 * The catalog: every provider that this server supports, by id (`integration_type` on the wire).
 *
 * providers/ is data about services and pure functions over it. It must not know HTTP, storage or
 * tokens in use. The list is written by hand, so a new provider shows up in review. A test checks
 * that it matches the catalog folder.
 */
import { airtable } from "./catalog/airtable.ts";
import { asana } from "./catalog/asana.ts";
import { bamboohr } from "./catalog/bamboohr.ts";
import { bitbucket } from "./catalog/bitbucket.ts";
import { box } from "./catalog/box.ts";
import { calendly } from "./catalog/calendly.ts";
import { canva } from "./catalog/canva.ts";
import { clickup } from "./catalog/clickup.ts";
import { confluence } from "./catalog/confluence.ts";
import { contentful } from "./catalog/contentful.ts";
import { databricks } from "./catalog/databricks.ts";
import { discord } from "./catalog/discord.ts";
import { docusign } from "./catalog/docusign.ts";
import { dropbox } from "./catalog/dropbox.ts";
import { front } from "./catalog/front.ts";
import { github } from "./catalog/github.ts";
import { gitlab } from "./catalog/gitlab.ts";
import { gmail } from "./catalog/gmail.ts";
import { google_analytics } from "./catalog/google_analytics.ts";
import { google_classroom } from "./catalog/google_classroom.ts";
import { google_search_console } from "./catalog/google_search_console.ts";
import { googleads } from "./catalog/googleads.ts";
import { googlebigquery } from "./catalog/googlebigquery.ts";
import { googlecalendar } from "./catalog/googlecalendar.ts";
import { googledocs } from "./catalog/googledocs.ts";
import { googledrive } from "./catalog/googledrive.ts";
import { googlemeet } from "./catalog/googlemeet.ts";
import { googlesheets } from "./catalog/googlesheets.ts";
import { googleslides } from "./catalog/googleslides.ts";
import { googletasks } from "./catalog/googletasks.ts";
import { hubspot } from "./catalog/hubspot.ts";
import { hugging_face } from "./catalog/hugging_face.ts";
import { instagram } from "./catalog/instagram.ts";
import { intercom } from "./catalog/intercom.ts";
import { jira } from "./catalog/jira.ts";
import { linear } from "./catalog/linear.ts";
import { linkedin } from "./catalog/linkedin.ts";
import { microsoft_teams } from "./catalog/microsoft_teams.ts";
import { miro } from "./catalog/miro.ts";
import { notion } from "./catalog/notion.ts";
import { one_drive } from "./catalog/one_drive.ts";
import { outlook } from "./catalog/outlook.ts";
import { quickbooks } from "./catalog/quickbooks.ts";
import { salesforce } from "./catalog/salesforce.ts";
import { share_point } from "./catalog/share_point.ts";
import { slack } from "./catalog/slack.ts";
import { slackbot } from "./catalog/slackbot.ts";
import { snowflake } from "./catalog/snowflake.ts";
import { splitwise } from "./catalog/splitwise.ts";
import { spotify } from "./catalog/spotify.ts";
import { square } from "./catalog/square.ts";
import { strava } from "./catalog/strava.ts";
import { supabase } from "./catalog/supabase.ts";
import { tiktok } from "./catalog/tiktok.ts";
import { todoist } from "./catalog/todoist.ts";
import { typeform } from "./catalog/typeform.ts";
import { webflow } from "./catalog/webflow.ts";
import { wix } from "./catalog/wix.ts";
import { wrike } from "./catalog/wrike.ts";
import { x } from "./catalog/x.ts";
import { xero } from "./catalog/xero.ts";
import { zoom } from "./catalog/zoom.ts";
import type { Provider } from "./provider.ts";

export interface Catalog {
  get(id: string): Provider | null;
  all(): readonly Provider[];
  /** Returns the closest id for "did you mean", or null. */
  nearest(name: string): string | null;
  /** Returns the providers that share a vendor's redirect URI. */
  byVendor(vendor: string): readonly Provider[];
}

const BUILT_IN: readonly Provider[] = [
  airtable,
  asana,
  bamboohr,
  bitbucket,
  box,
  calendly,
  canva,
  clickup,
  confluence,
  contentful,
  databricks,
  discord,
  docusign,
  dropbox,
  front,
  github,
  gitlab,
  gmail,
  google_analytics,
  google_classroom,
  google_search_console,
  googleads,
  googlebigquery,
  googlecalendar,
  googledocs,
  googledrive,
  googlemeet,
  googlesheets,
  googleslides,
  googletasks,
  hubspot,
  hugging_face,
  instagram,
  intercom,
  jira,
  linear,
  linkedin,
  microsoft_teams,
  miro,
  notion,
  one_drive,
  outlook,
  quickbooks,
  salesforce,
  share_point,
  slack,
  slackbot,
  snowflake,
  splitwise,
  spotify,
  square,
  strava,
  supabase,
  tiktok,
  todoist,
  typeform,
  webflow,
  wix,
  wrike,
  x,
  xero,
  zoom,
];

/**
 * Creates the catalog from the built-in providers and `extra` ones.
 * @throws Error if two have the same id, since one would silently send tokens to the other's
 * endpoint
 */
export function createCatalog(extra: readonly Provider[] = []): Catalog {
  const list = [...BUILT_IN, ...extra];
  const byId = new Map(list.map((provider) => [provider.id, provider]));
  if (byId.size !== list.length) throw new Error("Two providers in the catalog have the same id.");
  return {
    get: (id) => byId.get(id) ?? null,
    all: () => list,
    nearest: (name) => nearestOf([...byId.keys()], name),
    byVendor: (vendor) => list.filter((provider) => provider.vendor === vendor),
  };
}

export const providers: ReadonlyMap<string, Provider> = new Map(BUILT_IN.map((provider) => [provider.id, provider]));

export function findProvider(id: string): Provider | null {
  return providers.get(id) ?? null;
}

export function nearestProvider(name: string): string | null {
  return nearestOf([...providers.keys()], name);
}

/** A longer name is not a typo, and the comparison takes quadratic time. */
const MAX_NAME_LENGTH = 64;
const MAX_EDITS = 2;

const normalized = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

function nearestOf(ids: readonly string[], name: string): string | null {
  if (name === "" || name.length > MAX_NAME_LENGTH) return null;
  const wanted = normalized(name);
  const ranked = ids
    .map((id) => ({ id, edits: editDistance(wanted, normalized(id)) }))
    .filter(({ id, edits }) => edits <= MAX_EDITS && edits < normalized(id).length / 2)
    .toSorted((a, b) => a.edits - b.edits);
  return ranked[0]?.id ?? null;
}

/** Returns the Levenshtein distance: the fewest single-character edits that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split("").entries()) {
      const replace = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

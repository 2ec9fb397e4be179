/**
 * The catalog: every provider that this server supports, by id (`integration_type` on the wire).
 *
 * providers/ is data about services and pure functions over it. It must not know HTTP, storage or
 * tokens in use. The list is written by hand, so a new provider shows up in review. A test checks
 * that it matches the catalog folder.
 */
import { CodedError } from "../core/errors.ts";
import { ID_PATTERN } from "../core/ids.ts";
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
import { nearestOf } from "./nearest.ts";
import type { Provider } from "./provider.ts";

export interface Catalog {
  get(id: string): Provider | null;
  /**
   * Returns the provider with this id.
   * @throws CodedError `invalid_service` if `id` cannot be an id
   * @throws CodedError `unknown_service` if there is none, with the nearest id as a suggestion
   */
  require(id: string): Provider;
  all(): readonly Provider[];
  /** Returns the closest id for "Did you mean", or null. */
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

export const providers: ReadonlyMap<string, Provider> = new Map(BUILT_IN.map((provider) => [provider.id, provider]));

/**
 * Creates the catalog from the built-in providers and `extra` ones.
 * @throws Error if two have the same id, since one would silently send tokens to the other's
 *   endpoint
 */
export function createCatalog(extra: readonly Provider[] = []): Catalog {
  const list = [...BUILT_IN, ...extra];
  const byId = new Map(list.map((provider) => [provider.id, provider]));
  if (byId.size !== list.length) throw new Error("Two providers in the catalog have the same id.");
  return {
    get: (id) => byId.get(id) ?? null,
    require: (id) => requireProvider(byId, id),
    all: () => list,
    nearest: (name) => nearestOf([...byId.keys()], name),
    byVendor: (vendor) => list.filter((provider) => provider.vendor === vendor),
  };
}

function requireProvider(byId: ReadonlyMap<string, Provider>, id: string): Provider {
  if (!ID_PATTERN.test(id)) throw new CodedError("invalid_service");
  const provider = byId.get(id);
  if (provider !== undefined) return provider;
  const nearest = nearestOf([...byId.keys()], id);
  if (nearest === null) throw new CodedError("unknown_service");
  throw new CodedError("unknown_service", {
    message: `This server has no service "${id}". Did you mean "${nearest}"?`,
  });
}

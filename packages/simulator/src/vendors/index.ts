/** All simulated vendors. A new vendor is a file in this folder and one line here. */
import type { Vendor } from "../engine/types.ts";
import { airtable } from "./airtable.ts";
import { asana } from "./asana.ts";
import { atlassian } from "./atlassian.ts";
import { bamboohr } from "./bamboohr.ts";
import { bitbucket } from "./bitbucket.ts";
import { box } from "./box.ts";
import { calendly } from "./calendly.ts";
import { canva } from "./canva.ts";
import { clickup } from "./clickup.ts";
import { contentful } from "./contentful.ts";
import { databricks } from "./databricks.ts";
import { discord } from "./discord.ts";
import { docusign } from "./docusign.ts";
import { dropbox } from "./dropbox.ts";
import { front } from "./front.ts";
import { generic } from "./generic.ts";
import { github } from "./github.ts";
import { gitlab } from "./gitlab.ts";
import { google } from "./google.ts";
import { hubspot } from "./hubspot.ts";
import { huggingFace } from "./hugging-face.ts";
import { instagram } from "./instagram.ts";
import { intercom } from "./intercom.ts";
import { linear } from "./linear.ts";
import { linkedin } from "./linkedin.ts";
import { microsoft } from "./microsoft.ts";
import { miro } from "./miro.ts";
import { notion } from "./notion.ts";
import { quickbooks } from "./quickbooks.ts";
import { salesforce } from "./salesforce.ts";
import { slack } from "./slack.ts";
import { snowflake } from "./snowflake.ts";
import { splitwise } from "./splitwise.ts";
import { spotify } from "./spotify.ts";
import { square } from "./square.ts";
import { strava } from "./strava.ts";
import { supabase } from "./supabase.ts";
import { tiktok } from "./tiktok.ts";
import { todoist } from "./todoist.ts";
import { typeform } from "./typeform.ts";
import { webflow } from "./webflow.ts";
import { wix } from "./wix.ts";
import { wrike } from "./wrike.ts";
import { x } from "./x.ts";
import { xero } from "./xero.ts";
import { zoom } from "./zoom.ts";

/** `generic` is last: it takes the hosts that no other vendor has. */
export const vendors: readonly Vendor[] = [
  airtable,
  asana,
  atlassian,
  bamboohr,
  bitbucket,
  box,
  calendly,
  canva,
  clickup,
  contentful,
  databricks,
  discord,
  docusign,
  dropbox,
  front,
  github,
  gitlab,
  google,
  hubspot,
  huggingFace,
  instagram,
  intercom,
  linear,
  linkedin,
  microsoft,
  miro,
  notion,
  quickbooks,
  salesforce,
  slack,
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
  generic,
];

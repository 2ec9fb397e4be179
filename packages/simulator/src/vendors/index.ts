/** All simulated vendors. A new one is a file beside this and one line here. */
import type { Vendor } from "../engine/types.ts";
import { airtable } from "./airtable.ts";
import { bamboohr } from "./bamboohr.ts";
import { box } from "./box.ts";
import { calendly } from "./calendly.ts";
import { clickup } from "./clickup.ts";
import { contentful } from "./contentful.ts";
import { databricks } from "./databricks.ts";
import { discord } from "./discord.ts";
import { dropbox } from "./dropbox.ts";
import { generic } from "./generic.ts";
import { github } from "./github.ts";
import { gitlab } from "./gitlab.ts";
import { google } from "./google.ts";
import { hubspot } from "./hubspot.ts";
import { huggingFace } from "./hugging-face.ts";
import { instagram } from "./instagram.ts";
import { jira } from "./jira.ts";
import { linear } from "./linear.ts";
import { linkedin } from "./linkedin.ts";
import { microsoft } from "./microsoft.ts";
import { notion } from "./notion.ts";
import { quickbooks } from "./quickbooks.ts";
import { salesforce } from "./salesforce.ts";
import { slack } from "./slack.ts";
import { snowflake } from "./snowflake.ts";
import { splitwise } from "./splitwise.ts";
import { square } from "./square.ts";
import { supabase } from "./supabase.ts";
import { tiktok } from "./tiktok.ts";
import { typeform } from "./typeform.ts";
import { wix } from "./wix.ts";
import { wrike } from "./wrike.ts";
import { x } from "./x.ts";

/** The generic one last: it takes the hosts that no other has. */
export const vendors: readonly Vendor[] = [
  airtable,
  bamboohr,
  box,
  calendly,
  clickup,
  contentful,
  databricks,
  discord,
  dropbox,
  github,
  gitlab,
  google,
  hubspot,
  huggingFace,
  instagram,
  jira,
  linear,
  linkedin,
  microsoft,
  notion,
  quickbooks,
  salesforce,
  slack,
  snowflake,
  splitwise,
  square,
  supabase,
  tiktok,
  typeform,
  wix,
  wrike,
  x,
  generic,
];

/** All simulated vendors. A new one is a file beside this and one line here. */
import type { Vendor } from "../engine/types.ts";
import { github } from "./github.ts";
import { google } from "./google.ts";
import { notion } from "./notion.ts";
import { salesforce } from "./salesforce.ts";
import { slack } from "./slack.ts";

export const vendors: readonly Vendor[] = [github, google, notion, salesforce, slack];

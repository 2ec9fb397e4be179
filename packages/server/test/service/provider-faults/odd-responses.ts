/**
 * F31, F36, F38, F39, F41, F42: responses that have tokens and are odd in another way. A row says
 * which values are stored, if they differ from those of an ordinary response.
 */
import { GITHUB, SLACK } from "./response-faults.ts";
import type { FaultRow } from "./classes.ts";
import { counted } from "./connection-faults.ts";
import { altered, respond, breaksOff, processed } from "./gateway.ts";

export interface Kept {
  /** Lifetime that is stored for the new token, in seconds. */
  readonly life_s: number | null;
  readonly refresh_token: "kept" | "replaced";
  readonly granted: readonly string[];
  readonly missing: readonly string[];
  readonly events: readonly string[];
}

export const ORDINARY: Kept = {
  life_s: 3600,
  refresh_token: "kept",
  granted: ["read", "write"],
  missing: [],
  events: [],
};

export interface ResponseRow extends Pick<FaultRow, "id" | "does" | "rotation" | "service" | "fault"> {
  readonly keeps: Partial<Kept>;
}

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const TEN_YEARS_S = 315_360_000;
const bot = { ...SLACK, type: "slackbot" };

const lives = (does: string, expires_in: unknown, life_s: number): ResponseRow => ({
  id: "F38",
  does: `expires_in ${does}`,
  fault: { response: altered(() => ({ expires_in })) },
  keeps: { life_s },
});

export const ODD_RESPONSES: readonly ResponseRow[] = [
  {
    id: "F31",
    does: "a whole response with its length, and a reset right after it",
    rotation: "strict",
    fault: { response: processed((body) => breaksOff(counted(body), "reset")) },
    keeps: { refresh_token: "replaced" },
  },
  {
    id: "F36",
    does: "a form, from a provider that is known to send forms",
    rotation: "strict",
    service: GITHUB,
    fault: {
      response: processed((body) => {
        const fields: unknown = JSON.parse(body);
        const form = new URLSearchParams();
        for (const [name, value] of Object.entries(typeof fields === "object" && fields !== null ? fields : {}))
          form.set(name, String(value));
        return respond(200, form.toString(), FORM);
      }),
    },
    keeps: { refresh_token: "replaced", granted: ["read:user", "user:email"] },
  },

  lives("missing: the lifetime of the previous token", undefined, 3600),
  lives("null", null, 3600),
  lives('"1h"', "1h", 3600),
  lives("an object", { seconds: 60 }, 3600),
  lives('"1800"', "1800", 1800),
  lives("1800.7", 1800.7, 1800),
  lives("1e99", 1e99, TEN_YEARS_S),
  lives("eleven years", 346_896_000, TEN_YEARS_S),

  {
    id: "F39",
    does: "no refresh_token",
    fault: { response: altered(() => ({ refresh_token: undefined })) },
    keeps: {},
  },
  { id: "F39", does: "an empty refresh_token", fault: { response: altered(() => ({ refresh_token: "" })) }, keeps: {} },
  { id: "F39", does: "refresh_token null", fault: { response: altered(() => ({ refresh_token: null })) }, keeps: {} },
  {
    id: "F39",
    does: "the same refresh_token",
    fault: { response: altered(({ refresh_token }) => ({ refresh_token })) },
    keeps: {},
  },
  {
    id: "F39",
    does: "a new refresh_token",
    rotation: "strict",
    fault: { response: altered(() => ({})) },
    keeps: { refresh_token: "replaced" },
  },

  { id: "F41", does: "no scope", fault: { response: altered(() => ({ scope: undefined })) }, keeps: {} },
  {
    id: "F41",
    does: "one scope fewer",
    fault: { response: altered(() => ({ scope: "read" })) },
    keeps: { granted: ["read"], missing: ["write"], events: ["connection.scopes_missing"] },
  },
  {
    id: "F41",
    does: "one scope more",
    fault: { response: altered(() => ({ scope: "read write admin" })) },
    keeps: { granted: ["read", "write", "admin"] },
  },

  { id: "F42", does: "token_type BEARER", fault: { response: altered(() => ({ token_type: "BEARER" })) }, keeps: {} },
  {
    id: "F42",
    does: "token_type bot, which the catalog names",
    rotation: "strict",
    service: bot,
    fault: { response: altered(() => ({ token_type: "bot" })) },
    keeps: { refresh_token: "replaced", granted: ["chat:write", "channels:read"] },
  },
  {
    id: "F42",
    does: "no token_type, which the catalog allows",
    service: { provider: { deviations: [{ name: "assume_bearer" }] } },
    fault: { response: altered(() => ({ token_type: undefined })) },
    keeps: {},
  },
];

/**
 * The modes and their syntax. This table is the only list: tests check the parser, the start page
 * and the README against it.
 *
 * A client id `sim-<mode>[+<mode>...][.<label>]` selects modes. The label only makes ids differ.
 * Any other client id behaves well. `-then-ok` after a fault limits it to the first request of a
 * grant. `exchange-` before a fault moves it from refreshes to code exchanges. Time parameters are
 * `-10s` or `-500ms`.
 */

/**
 * - `flag` changes the vendor's behavior.
 * - `shape` changes the token reply on both legs.
 * - `before` replies in the vendor's place, and nothing is processed.
 * - `after` lets the vendor process the request, then spoils the reply.
 * - `host` takes a whole host down, only by `POST /_mode`.
 */
type Stage = "flag" | "shape" | "before" | "after" | "host";

interface ModeSpec {
  readonly stage: Stage;
  readonly about: string;
  /** Default of the time parameter. Without it the mode takes no time. */
  readonly seconds?: number;
  /** A fault that applies only once per grant. */
  readonly once?: true;
}

export const MODES = {
  ok: { stage: "flag", about: "behaves well" },
  rotate: { stage: "flag", about: "each refresh token works once, and its reuse revokes the grant" },
  "reuse-ok": { stage: "flag", seconds: 60, about: "a used refresh token works for another N s (with `rotate`)" },
  life: { stage: "flag", seconds: 60, about: "access tokens live N s" },
  "no-refresh-token": { stage: "flag", about: "consent issues no refresh token" },
  "partial-scopes": { stage: "flag", about: "the last scope of each list is not granted" },
  hop: { stage: "flag", about: "consent redirects through another origin first" },
  "wrong-iss": { stage: "flag", about: "the callback names the wrong issuer" },
  "access-dead": { stage: "flag", about: "the API rejects refreshed access tokens" },
  "no-expires-in": { stage: "shape", about: "`expires_in` is omitted" },
  "expires-as-string": { stage: "shape", about: '`expires_in` is a string: `"3600"`' },
  "expires-0": { stage: "shape", about: "`expires_in` is 0 although the token is still valid" },
  "expires-junk": { stage: "shape", about: "`expires_in` is the string `1h`" },
  "500": { stage: "before", about: "HTTP 500" },
  "502": { stage: "before", about: "HTTP 502 with an HTML page" },
  "503": { stage: "before", about: "HTTP 503 with Retry-After: 1" },
  "504": { stage: "before", about: "HTTP 504 with an HTML page" },
  "429": { stage: "before", seconds: 1, once: true, about: "first refresh: HTTP 429 with Retry-After: N" },
  "429-always": { stage: "before", about: "each refresh: HTTP 429 with Retry-After: 1" },
  html: { stage: "before", about: "an HTML page with HTTP 200, like a captive portal" },
  "error-200": { stage: "before", about: "HTTP 200 with `error: invalid_grant` inside" },
  revoked: { stage: "before", about: "the user has revoked consent: the grant ends with this request" },
  "invalid-client": { stage: "before", about: "the client secret is rejected" },
  "try-later": { stage: "before", about: "the vendor's form of `temporarily_unavailable`" },
  echo: { stage: "before", about: "an error whose text repeats the refresh token and the secret" },
  "redirect-token": { stage: "before", about: "HTTP 307 to another host" },
  "drop-before": { stage: "before", about: "hangs up without processing" },
  stall: { stage: "before", seconds: 10, about: "waits N s, then processes, even after the caller hung up" },
  slow: { stage: "after", seconds: 10, about: "processes immediately, replies after N s" },
  "drop-after": { stage: "after", about: "processes, then hangs up without a reply" },
  "drop-mid": { stage: "after", about: "processes, then hangs up in the middle of the reply" },
  drip: { stage: "after", about: "sends the reply one byte a second" },
  empty: { stage: "after", about: "HTTP 200 with an empty body" },
  "bad-json": { stage: "after", about: "truncated JSON" },
  "no-access-token": { stage: "after", about: "JSON without an access token" },
  huge: { stage: "after", about: "a body of 40 MB" },
  "gzip-bomb": { stage: "after", about: "200 KB of gzip that unpacks to 200 MB" },
  outage: { stage: "host", about: "hangs up on every request" },
  "outage-500": { stage: "host", about: "returns HTTP 500 for every request" },
  "outage-503": { stage: "host", about: "returns HTTP 503 for every request" },
} as const satisfies Record<string, ModeSpec>;

export type ModeName = keyof typeof MODES;
export type NamesOf<S extends Stage> = {
  [N in ModeName]: (typeof MODES)[N]["stage"] extends S ? N : never;
}[ModeName];

export type Leg = "refresh" | "exchange";

export interface Mode {
  readonly text: string;
  readonly name: ModeName;
  readonly spec: ModeSpec;
  readonly seconds: number;
  readonly once: boolean;
  readonly leg: Leg;
}

/** The modes that apply to one request. */
export interface Modes {
  readonly all: readonly Mode[];
  has(name: ModeName): boolean;
  /** Returns the time parameter in seconds, or undefined when the mode is off. */
  seconds(name: ModeName): number | undefined;
}

export interface ParsedModes {
  readonly modes: readonly Mode[];
  readonly unknown: readonly string[];
}

const isModeName = (name: string): name is ModeName => Object.hasOwn(MODES, name);

function splitTime(input: string): { name: string; seconds: number | undefined } {
  const match = /^(.+)-(\d{1,6})(ms|s)$/.exec(input);
  if (match === null) return { name: input, seconds: undefined };
  return { name: match[1] ?? "", seconds: Number(match[2]) / (match[3] === "ms" ? 1000 : 1) };
}

function parseMode(input: string): Mode | null {
  const moved = input.startsWith("exchange-");
  const bare = moved ? input.slice("exchange-".length) : input;
  const once_only = bare.endsWith("-then-ok");
  const { name, seconds } = splitTime(once_only ? bare.slice(0, -"-then-ok".length) : bare);
  if (!isModeName(name)) return null;
  const spec: ModeSpec = MODES[name];
  const fault = spec.stage === "before" || spec.stage === "after";
  if ((moved || once_only) && !fault) return null;
  if (seconds !== undefined && spec.seconds === undefined) return null;
  const once = once_only || spec.once === true;
  return { text: input, name, spec, seconds: seconds ?? spec.seconds ?? 0, once, leg: moved ? "exchange" : "refresh" };
}

export function parseModes(inputs: readonly string[]): ParsedModes {
  const modes: Mode[] = [];
  const unknown: string[] = [];
  for (const input of inputs) {
    const mode = parseMode(input);
    if (mode === null) unknown.push(input);
    else modes.push(mode);
  }
  return { modes, unknown };
}

/**
 * Parses `sim-rotate+slow-10s.team-a` into rotate and slow-10s. Client ids without the prefix have
 * no modes.
 */
export function modesOfClientId(client_id: string): ParsedModes {
  if (!client_id.startsWith("sim-")) return { modes: [], unknown: [] };
  const [list = ""] = client_id.slice("sim-".length).split(".");
  return parseModes(list.split("+"));
}

export function modeSet(all: readonly Mode[]): Modes {
  return {
    all,
    has: (name) => all.some((mode) => mode.name === name),
    seconds: (name) => all.find((mode) => mode.name === name)?.seconds,
  };
}

/**
 * Returns the client id that selects these modes, e.g.
 * `simulatedClientId(["rotate", "slow-10s"], "team-a")`.
 * @throws RangeError if a mode does not exist.
 */
export function simulatedClientId(modes: readonly string[], label?: string): string {
  const { unknown } = parseModes(modes);
  if (unknown.length > 0) throw new RangeError(`Unknown simulator mode: ${unknown.join(", ")}. ${knownModes()}`);
  return `sim-${modes.length === 0 ? "ok" : modes.join("+")}${label === undefined ? "" : `.${label}`}`;
}

export const knownModes = (): string => `Known modes: ${Object.keys(MODES).join(", ")}.`;

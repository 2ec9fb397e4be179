/**
 * The misbehaviours and how they are written. This table is the one list of them: the parser, the start page, the
 * consent page and the README are checked against it.
 *
 * A client id `sim-<mode>[+<mode>...][.<label>]` chooses modes; the label only makes ids differ. Any other client id
 * behaves well. `-then-ok` after a fault limits it to the first request of a grant; `exchange-` before a fault moves it
 * from refreshes to code exchanges. Time parameters are `-10s` or `-500ms`.
 */

/**
 * `flag`: changes what the vendor does. `shape`: changes the token answer on both legs. `before`: answers in the
 * vendor's place, nothing is processed. `after`: the vendor has processed the request, the answer suffers.
 * `host`: takes a whole host down; only for `POST /_mode`.
 */
type Stage = "flag" | "shape" | "before" | "after" | "host";

interface ModeSpec {
  readonly stage: Stage;
  readonly about: string;
  /** Default of the time parameter; without it the mode takes none. */
  readonly seconds?: number;
  /** A fault that always strikes only once per grant. */
  readonly once?: true;
}

export const MODES = {
  ok: { stage: "flag", about: "behaves well" },
  rotate: { stage: "flag", about: "each refresh token works once; its reuse revokes the grant" },
  "reuse-ok": { stage: "flag", seconds: 60, about: "a used refresh token still works for N s (with `rotate`)" },
  life: { stage: "flag", seconds: 60, about: "access tokens live N s" },
  "no-refresh-token": { stage: "flag", about: "consent gives no refresh token" },
  "partial-scopes": { stage: "flag", about: "the last scope of each list is not granted" },
  hop: { stage: "flag", about: "consent is reached over a redirect to another origin" },
  "wrong-iss": { stage: "flag", about: "the callback names a foreign issuer" },
  "access-dead": { stage: "flag", about: "refreshed access tokens are refused at once by the API" },
  "no-expires-in": { stage: "shape", about: "`expires_in` is left out" },
  "expires-as-string": { stage: "shape", about: '`expires_in` is a string: `"3600"`' },
  "expires-0": { stage: "shape", about: "`expires_in` is 0 though the token lives on" },
  "expires-junk": { stage: "shape", about: "`expires_in` is the string `1h`" },
  "500": { stage: "before", about: "HTTP 500" },
  "502": { stage: "before", about: "HTTP 502 with an HTML page" },
  "503": { stage: "before", about: "HTTP 503 with Retry-After: 1" },
  "504": { stage: "before", about: "HTTP 504 with an HTML page" },
  "429": { stage: "before", seconds: 1, once: true, about: "first refresh: HTTP 429 with Retry-After: N" },
  "429-always": { stage: "before", about: "each refresh: HTTP 429 with Retry-After: 1" },
  html: { stage: "before", about: "an HTML page with HTTP 200, as of a captive portal" },
  "error-200": { stage: "before", about: "HTTP 200 with `error: invalid_grant` inside" },
  revoked: { stage: "before", about: "the person has revoked consent: the grant ends with this request" },
  "invalid-client": { stage: "before", about: "the client secret is refused" },
  "try-later": { stage: "before", about: "the vendor's word for `temporarily_unavailable`" },
  echo: { stage: "before", about: "an error whose text repeats the refresh token and the secret" },
  "redirect-token": { stage: "before", about: "HTTP 307 to another host" },
  "drop-before": { stage: "before", about: "hangs up; nothing was processed" },
  stall: { stage: "before", seconds: 10, about: "waits N s, then processes, even when the caller has gone" },
  slow: { stage: "after", seconds: 10, about: "processes at once, answers after N s" },
  "drop-after": { stage: "after", about: "processes, then hangs up without an answer" },
  "drop-mid": { stage: "after", about: "processes, then breaks off in the middle of the answer" },
  drip: { stage: "after", about: "sends the answer one byte a second" },
  empty: { stage: "after", about: "HTTP 200 with an empty body" },
  "bad-json": { stage: "after", about: "the JSON ends too early" },
  "no-access-token": { stage: "after", about: "JSON without an access token" },
  huge: { stage: "after", about: "a body of 40 MB" },
  "gzip-bomb": { stage: "after", about: "200 KB of gzip that unpack to 200 MB" },
  outage: { stage: "host", about: "hangs up on every request" },
  "outage-500": { stage: "host", about: "answers every request with HTTP 500" },
  "outage-503": { stage: "host", about: "answers every request with HTTP 503" },
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

/** The modes in force for one request. */
export interface Modes {
  readonly all: readonly Mode[];
  has(name: ModeName): boolean;
  /** @returns the time parameter in seconds, or undefined when the mode is off. */
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
  const brief = bare.endsWith("-then-ok");
  const { name, seconds } = splitTime(brief ? bare.slice(0, -"-then-ok".length) : bare);
  if (!isModeName(name)) return null;
  const spec: ModeSpec = MODES[name];
  const fault = spec.stage === "before" || spec.stage === "after";
  if ((moved || brief) && !fault) return null;
  if (seconds !== undefined && spec.seconds === undefined) return null;
  const once = brief || spec.once === true;
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

/** `sim-rotate+slow-10s.team-a` -> rotate, slow-10s. Client ids without the prefix have no modes. */
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
 * The client id that asks for these modes, e.g. `simulatedClientId(["rotate", "slow-10s"], "team-a")`.
 * @throws RangeError when a mode does not exist.
 */
export function simulatedClientId(modes: readonly string[], label?: string): string {
  const { unknown } = parseModes(modes);
  if (unknown.length > 0) throw new RangeError(`Unknown simulator mode: ${unknown.join(", ")}. ${knownModes()}`);
  return `sim-${modes.length === 0 ? "ok" : modes.join("+")}${label === undefined ? "" : `.${label}`}`;
}

export const knownModes = (): string => `Modes are: ${Object.keys(MODES).join(", ")}.`;

/**
 * The mutable state of one simulator: clock, tokens, ledger, registered clients, and the modes and
 * lifetimes set at run time. Routes receive it, profiles never do.
 */
import { LedgerBook, type ApiCall, type Ledger } from "./ledger.ts";
import { modesOfClientId, modeSet, parseModes, type Leg, type Mode, type Modes } from "./modes.ts";
import { State } from "./state.ts";
import { ObjectStore, type ChangedObject } from "./objects.ts";
import type { TokenPolicy } from "./types.ts";
import { BoundedMap } from "./values.ts";

/** Returns `secret-of-<client id>`: the secret of every client registered without one. */
export const clientSecretOf = (client_id: string): string => `secret-of-${client_id}`;

export interface Clock {
  /** Returns ms since epoch. */
  now(): number;
}

/** Resolves after `delay_ms`, or as soon as the signal aborts. Never rejects. */
export type Wait = (delay_ms: number, signal: AbortSignal) => Promise<void>;

export interface ClientRegistration {
  readonly client_id: string;
  /** Default: `clientSecretOf(client_id)`. */
  readonly client_secret?: string;
  /** The only accepted redirect URIs, compared character by character. Default: any. */
  readonly redirect_uris?: readonly string[];
}

/**
 * Seconds. null restores the vendor's own. Tokens that never expire and cannot be refreshed are not
 * affected.
 */
export interface Lifetimes {
  readonly access_token_s?: number | null;
  readonly refresh_token_s?: number | null;
  readonly code_s?: number | null;
}

/** What API calls did since the start, the last reset or the last `clearState`. Has no token. */
export interface ApiState {
  /** In the order of arrival. Consent, token requests and revocations are not among them. */
  readonly calls: readonly ApiCall[];
  /** In the order of the first change. */
  readonly objects: readonly ChangedObject[];
}

/**
 * Modes for one host, for one client id, or for every client. They add to the modes of the client
 * id.
 */
export interface ModeSwitch {
  readonly host?: string;
  readonly client_id?: string;
  readonly modes: readonly string[];
}

export interface WorldOptions {
  readonly clock: Clock;
  readonly wait: Wait;
  readonly clients: readonly ClientRegistration[];
  readonly requests_max: number;
  readonly tokens_max: number;
}

const ALL_HOSTS = "*";

export class World {
  state: State;
  book: LedgerBook;
  readonly objects = new ObjectStore();
  readonly wait: Wait;
  /** Aborts when the simulator closes, so no wait outlives it. */
  readonly closing = new AbortController();
  readonly #options: WorldOptions;
  readonly #clients = new Map<string, ClientRegistration>();
  readonly #switched = new Map<string, readonly Mode[]>();
  readonly #lifetimes = new Map<string, Lifetimes>();
  #spent: BoundedMap<true>;
  #offset_ms = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.wait = options.wait;
    this.state = new State(options.tokens_max);
    this.book = new LedgerBook(options.requests_max);
    this.#spent = new BoundedMap(options.tokens_max);
    for (const client of options.clients) this.register(client);
  }

  now(): number {
    return this.#options.clock.now() + this.#offset_ms;
  }

  advance(delta_ms: number): void {
    this.#offset_ms += delta_ms;
  }

  setNow(now_ms: number): void {
    this.#offset_ms = now_ms - this.#options.clock.now();
  }

  register(client: ClientRegistration): void {
    this.#clients.set(client.client_id, client);
  }

  client(client_id: string): ClientRegistration & { readonly client_secret: string } {
    return { client_id, client_secret: clientSecretOf(client_id), ...this.#clients.get(client_id) };
  }

  /** @throws RangeError with the names of modes that do not exist. */
  switchModes(change: ModeSwitch): void {
    const { modes, unknown } = parseModes(change.modes);
    if (unknown.length > 0) throw new RangeError(`Unknown mode: ${unknown.join(", ")}.`);
    const key = change.client_id === undefined ? (change.host ?? ALL_HOSTS) : `client ${change.client_id}`;
    this.#switched.set(key, modes);
    // Switching a one-time fault on again arms it again.
    this.#spent.clear();
  }

  modes(client_id: string, host: string): Modes {
    const switched = [ALL_HOSTS, host, `client ${client_id}`].flatMap((key) => this.#switched.get(key) ?? []);
    return modeSet([...modesOfClientId(client_id).modes, ...switched]);
  }

  setLifetimes(lifetimes: Lifetimes, host: string = ALL_HOSTS): void {
    this.#lifetimes.set(host, { ...this.#lifetimes.get(host), ...lifetimes });
  }

  #lifetime(name: keyof Lifetimes, host: string): number | null {
    return this.#lifetimes.get(host)?.[name] ?? this.#lifetimes.get(ALL_HOSTS)?.[name] ?? null;
  }

  codeLife(own_s: number, host: string): number {
    return this.#lifetime("code_s", host) ?? own_s;
  }

  /** Returns the vendor's policy with the lifetimes of modes and of `POST /_lifetimes` applied. */
  policy(own: TokenPolicy, modes: Modes, host: string, offline: boolean): TokenPolicy {
    const access = modes.seconds("life") ?? this.#lifetime("access_token_s", host);
    const unlimited = own.access_life_s === null && !offline;
    return {
      ...own,
      access_life_s: unlimited ? null : (access ?? own.access_life_s),
      refresh_life_s: this.#lifetime("refresh_token_s", host) ?? own.refresh_life_s,
    };
  }

  /**
   * Returns the modes that apply to this leg now. Each one-time fault is returned only once per
   * subject.
   */
  takeDue(modes: Modes, leg: Leg, subject: string): readonly Mode[] {
    return modes.all.filter((mode) => {
      if (mode.leg !== leg && (mode.spec.stage === "before" || mode.spec.stage === "after")) return false;
      if (!mode.once) return true;
      const key = `${leg} ${mode.text} ${subject}`;
      if (this.#spent.has(key)) return false;
      this.#spent.set(key, true);
      return true;
    });
  }

  ledger(): Ledger {
    const now = this.now();
    const refresh_tokens = this.state.listRefresh(now);
    return {
      now,
      ...this.book.snapshot(),
      grants: this.state.listGrants(),
      refresh_tokens,
      access_tokens: this.state.listAccess(now),
      valid_refresh_tokens: Object.keys(refresh_tokens).filter((hash) => refresh_tokens[hash]?.status === "current"),
    };
  }

  /** @param vendor only what happened at this vendor. */
  apiState(vendor?: string): ApiState {
    const at = (item: { readonly vendor: string | null }) => vendor === undefined || item.vendor === vendor;
    return { calls: this.book.apiCalls().filter(at), objects: this.objects.changed().filter(at) };
  }

  /** Forgets the objects and the list of API calls. Grants, tokens and the ledger stay. */
  clearState(): void {
    this.objects.clear();
    this.book.clearApiCalls();
  }

  /** Restores the initial state. Only the clients of the options remain registered. */
  reset(): void {
    this.state = new State(this.#options.tokens_max);
    this.book = new LedgerBook(this.#options.requests_max);
    this.objects.clear();
    this.#spent.clear();
    this.#switched.clear();
    this.#lifetimes.clear();
    this.#clients.clear();
    this.#offset_ms = 0;
    for (const client of this.#options.clients) this.register(client);
  }
}

/**
 * The simulator's own endpoints under `/_`: ledger, clock, modes, lifetimes, clients, revocation, reset.
 *
 * Host and Origin must be loopback names and a body must be JSON, so that no web page in a browser on this machine can
 * turn the knobs. Errors are 400 with `{ "message" }`.
 */
import { html, json } from "./answer.ts";
import { startPage } from "./page.ts";
import { sameRealm } from "./call.ts";
import type { Grant, GrantFilter } from "./state.ts";
import type { Answer, Incoming, Vendor } from "./types.ts";
import type { ClientRegistration, Lifetimes, ModeSwitch, World } from "./world.ts";

const bad = (message: string): Answer => json(400, { message });
const done = json(200, { ok: true });

type Fields = Readonly<Record<string, unknown>>;

class BadField extends Error {}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "string") return value;
  throw new BadField(`${name} must be a string.`);
}

function texts(fields: Fields, name: string): string[] | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw new BadField(`${name} must be an array of strings.`);
  return value.map((item: unknown) => {
    if (typeof item === "string") return item;
    throw new BadField(`${name} must be an array of strings.`);
  });
}

function number(fields: Fields, name: string): number | null | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new BadField(`${name} must be a number.`);
}

/** Drops the members that are undefined, as exact optional properties demand. */
function present<T extends object>(members: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  const result: Partial<T> = {};
  for (const key of Object.keys(members)) {
    if (isKeyOf(members, key) && members[key] !== undefined) result[key] = members[key];
  }
  return result;
}

const isKeyOf = <T extends object>(value: T, key: string): key is Extract<keyof T, string> => Object.hasOwn(value, key);

function setClock(world: World, fields: Fields): Answer {
  const advance_ms = number(fields, "advance_ms");
  const now_ms = number(fields, "now_ms");
  if (typeof now_ms === "number") world.setNow(now_ms);
  else if (typeof advance_ms === "number") world.advance(advance_ms);
  else return bad("Give advance_ms or now_ms.");
  return json(200, { now: world.now() });
}

function setModes(world: World, fields: Fields): Answer {
  const modes = texts(fields, "modes");
  if (modes === undefined) return bad("Give modes: an array, empty to switch all off.");
  const where = present<ModeSwitch>({ host: text(fields, "host"), client_id: text(fields, "client_id"), modes });
  world.switchModes({ ...where, modes });
  return done;
}

function setLifetimes(world: World, fields: Fields): Answer {
  const lifetimes = present<Lifetimes>({
    access_token_s: number(fields, "access_token_s"),
    refresh_token_s: number(fields, "refresh_token_s"),
    code_s: number(fields, "code_s"),
  });
  world.setLifetimes(lifetimes, text(fields, "host"));
  return done;
}

function register(world: World, fields: Fields): Answer {
  const client_id = text(fields, "client_id");
  if (client_id === undefined || client_id === "") return bad("Give client_id.");
  const client_secret = text(fields, "client_secret");
  const redirect_uris = texts(fields, "redirect_uris");
  world.register({ ...present<ClientRegistration>({ client_id, client_secret, redirect_uris }), client_id });
  return done;
}

/** @returns the vendor that answers for `host`, by its token or authorization endpoint or any API. */
function vendorOfHost(vendors: readonly Vendor[], host: string): Vendor | undefined {
  const answers = (vendor: Vendor) =>
    [vendor.authorize, vendor.token, ...vendor.routes].some(({ hosts }) =>
      hosts.some((match) => (typeof match === "string" ? match === host : match.test(host))),
    );
  return vendors.find(answers);
}

function revoke(world: World, vendors: readonly Vendor[], fields: Fields): Answer {
  const host = text(fields, "host");
  const found = host === undefined ? undefined : vendorOfHost(vendors, host);
  if (host !== undefined && found === undefined) return bad(`No simulated vendor answers for ${host}.`);
  const filter = present<GrantFilter>({
    vendor: found?.id ?? text(fields, "vendor"),
    client_id: text(fields, "client_id"),
    account: text(fields, "account"),
    grant_id: text(fields, "grant_id"),
  });
  const within = (grant: Grant) =>
    host === undefined || found === undefined || sameRealm(found, grant.consent_host, host);
  return json(200, { revoked: world.state.revoke(filter, "user", within) });
}

function post(world: World, vendors: readonly Vendor[], name: string, fields: Fields): Answer | null {
  switch (name) {
    case "_clock":
      return setClock(world, fields);
    case "_mode":
      return setModes(world, fields);
    case "_lifetimes":
      return setLifetimes(world, fields);
    case "_clients":
      return register(world, fields);
    case "_revoke":
      return revoke(world, vendors, fields);
    case "_reset":
      world.reset();
      return done;
    default:
      return null;
  }
}

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

export function admin(world: World, vendors: readonly Vendor[], incoming: Incoming): Answer {
  const { method, host: name, headers } = incoming;
  const foreign = headers.origin !== undefined && !LOOPBACK.test(URL.parse(headers.origin)?.host ?? "");
  if (foreign || !LOOPBACK.test(headers.host ?? "")) {
    return json(403, { message: "Reach the simulator by a loopback name, not from another site." });
  }
  if (method === "GET" && name === "") return html(200, startPage(vendors));
  // By way of text: the ledger's interfaces have no index signature, which the Json type asks for.
  if (method === "GET" && name === "_ledger") return { ...done, body: JSON.stringify(world.ledger()) };
  if (method !== "POST") return json(404, { message: `No ${method} /${name} here. GET / lists what there is.` });
  if (incoming.body_type !== "json" && incoming.body_type !== "none") return bad("The body must be a JSON object.");
  try {
    const answer = post(world, vendors, name, incoming.json);
    return answer ?? json(404, { message: `No POST /${name} here.` });
  } catch (error) {
    if (error instanceof BadField || error instanceof RangeError) return bad(error.message);
    throw error;
  }
}

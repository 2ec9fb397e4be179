/**
 * The control API under `/_`: ledger, state, clock, modes, lifetimes, clients, revocation, reset.
 *
 * Host and Origin must be loopback names and the body must be JSON. Otherwise any web page in a
 * browser on this machine could change the simulator. Errors are 400 with `{ "message" }`.
 */
import { html, json } from "../reply.ts";
import { startPage } from "./page.ts";
import { sameRealm } from "../call.ts";
import type { Grant, GrantFilter } from "../state.ts";
import type { Incoming, Reply, Vendor } from "../types.ts";
import type { ClientRegistration, Lifetimes, ModeSwitch, World } from "../world.ts";

const badRequest = (message: string): Reply => json(400, { message });
const ok = json(200, { ok: true });

type Fields = Readonly<Record<string, unknown>>;

class BadField extends Error {}

function stringField(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "string") return value;
  throw new BadField(`${name} must be a string.`);
}

function stringsField(fields: Fields, name: string): string[] | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw new BadField(`${name} must be an array of strings.`);
  return value.map((item: unknown) => {
    if (typeof item === "string") return item;
    throw new BadField(`${name} must be an array of strings.`);
  });
}

function numberField(fields: Fields, name: string): number | null | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new BadField(`${name} must be a number.`);
}

/** Drops the members that are undefined, as `exactOptionalPropertyTypes` requires. */
function present<T extends object>(members: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  const result: Partial<T> = {};
  for (const key of Object.keys(members)) {
    if (isKeyOf(members, key) && members[key] !== undefined) result[key] = members[key];
  }
  return result;
}

const isKeyOf = <T extends object>(value: T, key: string): key is Extract<keyof T, string> => Object.hasOwn(value, key);

function setClock(world: World, fields: Fields): Reply {
  const advance_ms = numberField(fields, "advance_ms");
  const now_ms = numberField(fields, "now_ms");
  if (typeof now_ms === "number") world.setNow(now_ms);
  else if (typeof advance_ms === "number") world.advance(advance_ms);
  else return badRequest("Send advance_ms or now_ms.");
  return json(200, { now: world.now() });
}

function setModes(world: World, fields: Fields): Reply {
  const modes = stringsField(fields, "modes");
  if (modes === undefined) return badRequest("Send modes: an array of strings. An empty array turns all modes off.");
  const target = present<ModeSwitch>({
    host: stringField(fields, "host"),
    client_id: stringField(fields, "client_id"),
    modes,
  });
  world.switchModes({ ...target, modes });
  return ok;
}

function setLifetimes(world: World, fields: Fields): Reply {
  const lifetimes = present<Lifetimes>({
    access_token_s: numberField(fields, "access_token_s"),
    refresh_token_s: numberField(fields, "refresh_token_s"),
    code_s: numberField(fields, "code_s"),
  });
  world.setLifetimes(lifetimes, stringField(fields, "host"));
  return ok;
}

function register(world: World, fields: Fields): Reply {
  const client_id = stringField(fields, "client_id");
  if (client_id === undefined || client_id === "") return badRequest("Send client_id.");
  const client_secret = stringField(fields, "client_secret");
  const redirect_uris = stringsField(fields, "redirect_uris");
  world.register({ ...present<ClientRegistration>({ client_id, client_secret, redirect_uris }), client_id });
  return ok;
}

/**
 * Returns the vendor that serves `host` with its authorization endpoint, token endpoint or any API.
 */
function vendorOfHost(vendors: readonly Vendor[], host: string): Vendor | undefined {
  const serves = (vendor: Vendor) =>
    [vendor.authorize, vendor.token, ...vendor.routes].some(({ hosts }) =>
      hosts.some((match) => (typeof match === "string" ? match === host : match.test(host))),
    );
  return vendors.find(serves);
}

function revoke(world: World, vendors: readonly Vendor[], fields: Fields): Reply {
  const host = stringField(fields, "host");
  const found = host === undefined ? undefined : vendorOfHost(vendors, host);
  if (host !== undefined && found === undefined) return badRequest(`No simulated vendor serves ${host}.`);
  const filter = present<GrantFilter>({
    vendor: found?.id ?? stringField(fields, "vendor"),
    client_id: stringField(fields, "client_id"),
    account: stringField(fields, "account"),
    grant_id: stringField(fields, "grant_id"),
  });
  const within = (grant: Grant) =>
    host === undefined || found === undefined || sameRealm(found, grant.consent_host, host);
  return json(200, { revoked: world.state.revoke(filter, "user", within) });
}

function post(world: World, vendors: readonly Vendor[], name: string, fields: Fields): Reply | null {
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
      return ok;
    default:
      return null;
  }
}

/** Serialized here, as the ledger is. */
const apiState = (world: World, { query }: Incoming): Reply => ({
  ...ok,
  body: JSON.stringify(world.apiState(query.get("vendor") ?? undefined)),
});

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

export function admin(world: World, vendors: readonly Vendor[], incoming: Incoming): Reply {
  const { method, host: name, headers } = incoming;
  const cross_site = headers.origin !== undefined && !LOOPBACK.test(URL.parse(headers.origin)?.host ?? "");
  if (cross_site || !LOOPBACK.test(headers.host ?? "")) {
    return json(403, { message: "Call the simulator by a loopback name, and not from another site." });
  }
  if (method === "GET" && name === "") return html(200, startPage(vendors));
  // Serialized here: the ledger's interfaces have no index signature, which the Json type needs.
  if (method === "GET" && name === "_ledger") return { ...ok, body: JSON.stringify(world.ledger()) };
  if (method === "GET" && name === "_state") return apiState(world, incoming);
  if (method === "DELETE" && name === "_state") {
    world.clearState();
    return ok;
  }
  if (method !== "POST") return json(404, { message: `Unknown endpoint ${method} /${name}. GET / lists them.` });
  if (incoming.body_type !== "json" && incoming.body_type !== "none")
    return badRequest("The body must be a JSON object.");
  try {
    const reply = post(world, vendors, name, incoming.json);
    return reply ?? json(404, { message: `Unknown endpoint POST /${name}.` });
  } catch (error) {
    if (error instanceof BadField || error instanceof RangeError) return badRequest(error.message);
    throw error;
  }
}

/** Device login, and a login that stays valid, against a real server that follows the contract. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { deviceLogin, type Prompt } from "../../src/cli/remote/device-login.ts";
import { createSession } from "../../src/cli/remote/login-session.ts";
import { createLoginStore, type Login, type LoginStore } from "../../src/cli/remote/login-store.ts";
import { createRemote } from "../../src/cli/remote/remote.ts";
import { CodedError } from "../../src/core/errors.ts";
import { Secret, sha256Hex } from "../../src/core/secret.ts";
import { instant } from "../../src/core/types.ts";
import { manualClock, type ManualClock } from "../support/clock.ts";
import { startDeviceServer, type DeviceServer } from "./device-server.ts";
import { closedUrl } from "./web-server.ts";

/** Starts at the real time, because the file system dates the locks. */
const freshClock = (): ManualClock => manualClock(instant(Date.now()));

function temporaryStore(): LoginStore {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-login-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return createLoginStore(join(directory, "holdfast"));
}

interface Attempt {
  readonly login: Promise<Login>;
  readonly prompts: readonly Prompt[];
  readonly waited: readonly number[];
}

/** `decisions[n]` runs during the n-th wait of the command. */
function attempt(server: DeviceServer, clock: ManualClock, decisions: readonly (() => void)[]): Attempt {
  const prompts: Prompt[] = [];
  const waited: number[] = [];
  const wait = async (delay_ms: number): Promise<void> => {
    decisions[waited.length]?.();
    waited.push(delay_ms);
    await clock.advance(delay_ms);
  };
  const remote = createRemote({ server_url: server.url, credential: null, wait });
  return { login: deviceLogin({ remote, clock, wait, show: (prompt) => prompts.push(prompt) }), prompts, waited };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "fulfilled",
    (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
  );

it("shows the code, polls at the server's interval, slower after slow_down, and returns the account", async () => {
  const server = await startDeviceServer();
  const { login, prompts, waited } = attempt(server, freshClock(), [
    () => {},
    () => server.slowDown(),
    () => server.decide("approve"),
  ]);
  expect(await login).toMatchObject({ email: "ada@example.com", name: "Ada" });
  expect(prompts).toEqual([{ user_code: "BCDF-GHJK", verification_uri: `${server.url}/device` }]);
  expect(waited).toEqual([1_000, 1_000, 6_000]);
  const [code, first] = server.requests;
  expect(code).toMatchObject({ method: "POST", path: "/oauth/device/code" });
  expect(JSON.parse(code?.body ?? "")).toEqual({ client_id: "holdfast_cli", scope: "apps:read apps:write" });
  expect(Object.fromEntries(new URLSearchParams(first?.body))).toEqual({
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: server.device_code,
    client_id: "holdfast_cli",
  });
});

it("fails if the user denies the login, if the code expires, and if no decision arrives in time", async () => {
  const server = await startDeviceServer();
  const outcome = (decisions: readonly (() => void)[]) => codeOf(attempt(server, freshClock(), decisions).login);
  expect(await outcome([() => server.decide("deny")])).toBe("login_refused");
  expect(await outcome([() => server.decide("expire")])).toBe("login_expired");
  const silent = await startDeviceServer();
  expect(await codeOf(attempt(silent, freshClock(), []).login)).toBe("login_expired");
});

it("stores logins in a file that only its owner can read, one per server, and ignores an incomplete one", () => {
  const store = temporaryStore();
  const login = loginOf("a", "r", 1);
  store.save("https://one.example", login);
  store.save("https://two.example", login);
  const path = join(store.directory, "credentials.json");
  expect([statSync(path).mode & 0o777, statSync(store.directory).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(store.current()).toBe("https://two.example");
  expect(store.find("https://one.example")?.access_token.expose()).toBe("a");
  store.remove("https://two.example");
  expect([store.current(), store.find("https://two.example")]).toEqual(["https://one.example", null]);
  store.remove("https://one.example");
  expect(readdirSync(store.directory)).toEqual([]);

  writeFileSync(path, JSON.stringify({ current: null, servers: { x: { access_token: "a" } } }), { mode: 0o644 });
  expect(store.find("x")).toBeNull();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileSync(path, "{");
  expect(() => store.find("x")).toThrow(/is damaged\. Delete it and sign in again/);
});

const loginOf = (access: string, refresh: string, expires_at: number): Login => ({
  access_token: new Secret(access),
  refresh_token: new Secret(refresh),
  expires_at: instant(expires_at),
  email: "ada@example.com",
  name: "Ada",
});

async function signedIn(server: DeviceServer, clock: ManualClock, store: LoginStore) {
  server.decide("approve");
  store.save(server.url, await attempt(server, clock, []).login);
  const anonymous = createRemote({ server_url: server.url, credential: null });
  const wait = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const remoteOf = () => anonymous.withCredential(createSession({ store, remote: anonymous, clock, wait }));
  return () => remoteOf().call({ method: "GET", path: "/oauth/userinfo" }, "account");
}

it("renews the access token a minute before it expires, and once when it is refused", async () => {
  const [server, clock, store] = [await startDeviceServer(), freshClock(), temporaryStore()];
  const whoami = await signedIn(server, clock, store);
  await whoami();
  expect(server.refreshes()).toBe(0);
  await clock.jump(3_541_000);
  await whoami();
  expect(server.refreshes()).toBe(1);
  server.endAccessTokens();
  expect(await whoami()).toEqual({ email: "ada@example.com", name: "Ada" });
  expect([server.refreshes(), server.reuses()]).toEqual([2, 0]);
});

it("refreshes once for twenty commands that start together, and removes its lock", async () => {
  const [server, clock, store] = [await startDeviceServer(), freshClock(), temporaryStore()];
  const whoami = await signedIn(server, clock, store);
  server.endAccessTokens();
  await Promise.all(Array.from({ length: 20 }, () => whoami()));
  expect([server.refreshes(), server.reuses()]).toEqual([1, 0]);
  expect(readdirSync(store.directory)).toEqual(["credentials.json"]);
});

it("takes over from a command that died during a refresh", async () => {
  const [server, clock, store] = [await startDeviceServer(), freshClock(), temporaryStore()];
  const whoami = await signedIn(server, clock, store);
  const refresh_token = store.find(server.url)?.refresh_token.expose() ?? "";
  const lock = join(store.directory, `refresh-${sha256Hex(refresh_token).slice(0, 16)}.1`);
  writeFileSync(lock, "1\n");
  const at_s = (clock.now() - 31_000) / 1000;
  utimesSync(lock, at_s, at_s);
  server.endAccessTokens();
  await whoami();
  expect([server.refreshes(), readdirSync(store.directory)]).toEqual([1, ["credentials.json"]]);
});

it("deletes a login that the server has ended, and keeps one whose server is unreachable", async () => {
  const [server, clock, store] = [await startDeviceServer(), freshClock(), temporaryStore()];
  const whoami = await signedIn(server, clock, store);
  const before = readFileSync(join(store.directory, "credentials.json"), "utf8");
  const unreachable = createRemote({ server_url: await closedUrl(), credential: null });
  store.save(unreachable.server_url, loginOf("a", "r", 1));
  const session = createSession({ store, remote: unreachable, clock, wait: () => Promise.resolve() });
  expect(await codeOf(session.header())).toBe("server_unreachable");
  expect(store.find(unreachable.server_url)).not.toBeNull();
  store.remove(unreachable.server_url);
  store.save(server.url, store.find(server.url) ?? loginOf("", "", 1));
  expect(readFileSync(join(store.directory, "credentials.json"), "utf8")).toBe(before);

  server.endLogin();
  expect(await codeOf(whoami())).toBe("not_signed_in");
  expect(store.find(server.url)).toBeNull();
});

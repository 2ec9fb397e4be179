/** Device codes, CLI sessions, and counters that several nodes share. */
import { describe, expect, it } from "vitest";
import { plus, type Instant } from "../../src/core/types.ts";
import type { NewDeviceCode, Poll, PollRules, Redemption } from "../../src/store/queries/device.ts";
import type { Store } from "../../src/store/store.ts";
import type { OpenStore, OpenStores } from "./suite.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LIFE = { access_ttl_ms: HOUR, idle_ms: 30 * DAY, absolute_ms: 90 * DAY };
const RULES: PollRules = { ...LIFE, slow_down_s: 5, jitter_ms: 1_000 };
const ROTATION = { ...LIFE, grace_ms: 30_000 };

const codeOf = (now: Instant, name: string, change: Partial<NewDeviceCode> = {}): NewDeviceCode => ({
  device_hash: `device ${name}`,
  user_code_hash: `user ${name}`,
  client_id: "base44_cli",
  scope: ["apps:read"],
  address: "192.0.2.1",
  network: "192.0.2.1",
  expires_at: plus(now, 600_000),
  interval_s: 5,
  ...change,
});

const pollOf = ({ now }: OpenStore, name: string, session_id: string): Poll => ({
  device_hash: `device ${name}`,
  client_id: "base44_cli",
  arrived_at: now(),
  session_id,
  pair: { access_hash: `access of ${session_id}`, refresh_hash: `refresh of ${session_id}` },
});

const approve = (store: Store, name: string) =>
  store.decideDeviceCode([`user ${name}`], { state: "approved", user_id: "usr_1" });

/** Creates a session with the tokens `access of ses_1` and `refresh of ses_1`. */
async function signedIn(opened: OpenStore): Promise<void> {
  const { store, now } = opened;
  await store.createDeviceCode(codeOf(now(), "a"), 5);
  await approve(store, "a");
  expect(await store.redeemDeviceCode(pollOf(opened, "a", "ses_1"), RULES)).toMatchObject({ kind: "issued" });
}

const pair = (name: string) => ({ access_hash: `access ${name}`, refresh_hash: `refresh ${name}` });
const used = (refresh_hash: string, client_id = "base44_cli") => ({ refresh_hash, client_id });

export function describeDevice(open: OpenStores): void {
  describe("device codes", () => {
    it("wait for a decision, and are redeemed once", async () => {
      const opened = await open();
      const { store, advance } = opened;
      await store.createDeviceCode(codeOf(opened.now(), "a"), 5);
      expect(await store.redeemDeviceCode(pollOf(opened, "a", "ses_0"), RULES)).toEqual({
        kind: "authorization_pending",
      });
      expect(await approve(store, "a")).toMatchObject({ client_id: "base44_cli", user_id: "usr_1" });
      // At once, since clients do not always obey slow_down.
      const issued = await store.redeemDeviceCode(pollOf(opened, "a", "ses_1"), RULES);
      expect(issued).toMatchObject({
        kind: "issued",
        session: { id: "ses_1", user_id: "usr_1", scope: ["apps:read"] },
      });
      expect(await store.findCliToken("access of ses_1")).toMatchObject({ id: "ses_1", kind: "access" });
      await advance(600);
      expect(await approve(store, "a")).toBeNull();
    });

    it("give the session to exactly one of many concurrent polls, and it stays", async () => {
      const opened = await open();
      const { store, other, now } = opened;
      await store.createDeviceCode(codeOf(now(), "a"), 5);
      await approve(store, "a");
      const answers: Redemption[] = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          (index % 2 === 0 ? store : other).redeemDeviceCode(pollOf(opened, "a", `ses_${index}`), RULES),
        ),
      );
      const issued = answers.filter(({ kind }) => kind === "issued");
      expect(issued).toHaveLength(1);
      expect(answers.filter(({ kind }) => kind === "invalid_grant")).toHaveLength(5);
      expect(await store.listCliSessions("usr_1")).toHaveLength(1);
    });

    it("end an unused session when they are presented again", async () => {
      const opened = await open();
      const { store, other, advance } = opened;
      await signedIn(opened);
      await advance(2_000);
      const again = await other.redeemDeviceCode(pollOf(opened, "a", "ses_2"), RULES);
      expect(again).toMatchObject({ kind: "invalid_grant", ended: { id: "ses_1" } });
      expect(await store.findCliToken("access of ses_1")).toBeNull();
      expect(await store.findCliToken("refresh of ses_1")).toBeNull();
    });

    it("do not end a session that was used", async () => {
      const opened = await open();
      const { store, advance } = opened;
      await signedIn(opened);
      await store.useCliSession("ses_1");
      await advance(2_000);
      expect(await store.redeemDeviceCode(pollOf(opened, "a", "ses_2"), RULES)).toEqual({
        kind: "invalid_grant",
        ended: null,
      });
      expect(await store.findCliToken("access of ses_1")).not.toBeNull();
    });

    it("are decided once, by the first caller", async () => {
      const opened = await open();
      const { store, other } = opened;
      await store.createDeviceCode(codeOf(opened.now(), "a"), 5);
      const decided = await Promise.all([
        approve(store, "a"),
        other.decideDeviceCode(["user a"], { state: "denied", user_id: "usr_2" }),
        approve(store, "a"),
      ]);
      expect(decided.filter((code) => code !== null)).toHaveLength(1);
    });

    it("are refused when denied, expired, unknown or another client's", async () => {
      const opened = await open();
      const { store, now, advance } = opened;
      await store.createDeviceCode(codeOf(now(), "no"), 5);
      await store.createDeviceCode(codeOf(now(), "late", { expires_at: plus(now(), 1_500) }), 5);
      await store.decideDeviceCode(["user no"], { state: "denied", user_id: "usr_1" });
      const kind = async (name: string, change: Partial<Poll> = {}) =>
        (await store.redeemDeviceCode({ ...pollOf(opened, name, "ses_1"), ...change }, RULES)).kind;
      expect(await kind("no")).toBe("access_denied");
      expect(await kind("none")).toBe("invalid_grant");
      expect(await kind("late", { client_id: "holdfast_cli" })).toBe("invalid_grant");
      await approve(store, "late");
      await advance(1_600);
      expect(await kind("late")).toBe("expired_token");
      expect(await store.findDeviceCode(["user late"])).toBeNull();
    });

    it("are not decided after they expired", async () => {
      const { store, now, advance } = await open();
      await store.createDeviceCode(codeOf(now(), "a", { expires_at: plus(now(), 500) }), 5);
      await advance(600);
      expect(await approve(store, "a")).toBeNull();
    });

    it("lengthen their interval by five seconds with each early poll, permanently", async () => {
      const opened = await open();
      const { store, now } = opened;
      await store.createDeviceCode(codeOf(now(), "a"), 5);
      const kinds = [];
      for (let poll = 0; poll < 3; poll += 1)
        kinds.push((await store.redeemDeviceCode(pollOf(opened, "a", "ses_1"), RULES)).kind);
      expect(kinds).toEqual(["authorization_pending", "slow_down", "slow_down"]);
      expect(await store.findDeviceCode(["user a"])).toMatchObject({ interval_s: 15 });
    });

    it("are limited per network, and no live code has the letters of another", async () => {
      const { store, now } = await open();
      const kinds = await Promise.all(
        Array.from(
          { length: 7 },
          async (_, index) => (await store.createDeviceCode(codeOf(now(), `${index}`), 5)).kind,
        ),
      );
      expect(kinds.filter((kind) => kind === "created")).toHaveLength(5);
      expect(kinds.filter((kind) => kind === "too_many")).toHaveLength(2);
      const winner = String(kinds.indexOf("created"));
      const elsewhere = { network: "198.51.100.1", device_hash: "other" };
      expect(await store.createDeviceCode(codeOf(now(), winner, elsewhere), 5)).toEqual({ kind: "taken" });
    });
  });

  describe("CLI sessions", () => {
    it("exchange a refresh token for a new pair, and accept it again only during the grace period", async () => {
      const opened = await open();
      const { store } = opened;
      await signedIn(opened);
      expect(await store.rotateCliToken(used("refresh of ses_1"), pair("1"), ROTATION)).toMatchObject({
        kind: "rotated",
      });
      // The reply was lost.
      expect(await store.rotateCliToken(used("refresh of ses_1"), pair("2"), ROTATION)).toMatchObject({
        kind: "rotated",
      });
      const over = { ...ROTATION, grace_ms: 0 };
      expect(await store.rotateCliToken(used("refresh of ses_1"), pair("3"), over)).toMatchObject({ kind: "reused" });
      expect(await store.listCliSessions("usr_1")).toEqual([]);
      for (const token of ["access of ses_1", "access 1", "refresh 2", "access 3"])
        expect(await store.findCliToken(token)).toBeNull();
    });

    it("count the token of a lost reply as exchanged once the session continues without it", async () => {
      const opened = await open();
      const { store } = opened;
      await signedIn(opened);
      await store.rotateCliToken(used("refresh of ses_1"), pair("lost"), ROTATION);
      await store.rotateCliToken(used("refresh of ses_1"), pair("kept"), ROTATION);
      await store.rotateCliToken(used("refresh kept"), pair("next"), ROTATION);
      const lost = await store.rotateCliToken(used("refresh lost"), pair("thief"), { ...ROTATION, grace_ms: 0 });
      expect(lost.kind).toBe("reused");
    });

    it("refuse an access token, another client and an unknown token as a refresh token", async () => {
      const opened = await open();
      const { store } = opened;
      await signedIn(opened);
      for (const wrong of [
        used("access of ses_1"),
        used("refresh of ses_1", "holdfast_cli"),
        used("refresh of no session"),
      ])
        expect(await store.rotateCliToken(wrong, pair("1"), ROTATION)).toEqual({ kind: "unknown" });
      expect(await store.listCliSessions("usr_1")).toHaveLength(1);
    });

    it("survive many simultaneous refreshes of one token during the grace period", async () => {
      const opened = await open();
      const { store, other } = opened;
      await signedIn(opened);
      const answers = await Promise.all(
        Array.from({ length: 4 }, (_, index) =>
          (index % 2 === 0 ? store : other).rotateCliToken(used("refresh of ses_1"), pair(`${index}`), ROTATION),
        ),
      );
      expect(answers.map(({ kind }) => kind)).toEqual(Array.from({ length: 4 }, () => "rotated"));
    });

    it("end when they are idle, when they are old, and when their owner ends them", async () => {
      const opened = await open();
      const { store, advance } = opened;
      await signedIn(opened);
      await advance(1_000);
      expect(await store.rotateCliToken(used("refresh of ses_1"), pair("1"), { ...ROTATION, idle_ms: 500 })).toEqual({
        kind: "unknown",
      });
      expect(await store.listCliSessions("usr_1")).toEqual([]);
      const again = { ...pollOf(opened, "b", "ses_2") };
      await store.createDeviceCode(codeOf(opened.now(), "b"), 5);
      await approve(store, "b");
      await store.redeemDeviceCode(again, RULES);
      expect(await store.endCliSession("ses_2", "usr_2")).toBe(false);
      expect(await store.endCliSession("ses_2", "usr_1")).toBe(true);
      expect(await store.findCliToken("access of ses_2")).toBeNull();
    });

    it("are deleted with their tokens and codes after they expired", async () => {
      const opened = await open();
      const { store, now, advance } = opened;
      await signedIn(opened);
      await advance(1_000);
      await store.deleteOldLogins(LIFE, now());
      expect(await store.findCliToken("access of ses_1")).not.toBeNull();
      await store.deleteOldLogins({ ...LIFE, idle_ms: 500 }, plus(now(), 600_000));
      expect(await store.findCliToken("refresh of ses_1")).toBeNull();
      expect((await store.redeemDeviceCode(pollOf(opened, "a", "ses_2"), RULES)).kind).toBe("invalid_grant");
    });
  });

  describe("counters", () => {
    it("count every attempt of every node, and restart after their window", async () => {
      const { store, other, advance } = await open();
      const counts = await Promise.all(
        Array.from(
          { length: 20 },
          async (_, index) => (await (index % 2 === 0 ? store : other).countInWindow("k", 1_000)).count,
        ),
      );
      expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      const window = await store.countInWindow("k", 1_000);
      await store.uncountInWindow("k", window.ends_at);
      expect((await store.countInWindow("k", 1_000)).count).toBe(21);
      await advance(1_100);
      expect((await store.countInWindow("k", 1_000)).count).toBe(1);
      // A count of a window that ended is not undone.
      await store.uncountInWindow("k", window.ends_at);
      expect((await store.countInWindow("k", 1_000)).count).toBe(2);
    });

    it("are deleted when their window has ended", async () => {
      const { store, advance } = await open();
      await store.countInWindow("short", 500);
      await store.countInWindow("long", 60_000);
      await advance(600);
      await store.deleteOldWindows();
      expect((await store.countInWindow("long", 60_000)).count).toBe(2);
      expect((await store.countInWindow("short", 500)).count).toBe(1);
    });
  });
}

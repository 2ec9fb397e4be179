import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import { servedUnsaved } from "../../../src/service/connections/served.ts";
import { run } from "../../../src/store/operation.ts";
import { CONNECTION } from "../../../src/store/rows.ts";
import { HOUR, MINUTE, SECOND, until } from "../../support/clock.ts";
import type { TestServer } from "../../support/server.ts";
import { connected, copyDirectory, crashedServer, many } from "./support.ts";

/** Returns the files that a crash leaves when a response is in the spill, not in the database. */
async function crashWithSpill() {
  const { holdfast } = await connected("github");
  await holdfast.clock.jump(9 * HOUR);
  const broken = vi.spyOn(holdfast.installation.store, "transaction");
  broken.mockRejectedValue(new CodedError("database_unavailable"));
  const served = await holdfast.accessToken("github");
  return { holdfast, broken, served, copy: copyDirectory(holdfast.config.data_dir) };
}

describe("when the database fails after the request was sent", () => {
  it("serves the response from memory, keeps it in the spill, and commits it when the database is back", async () => {
    const { holdfast, first } = await connected("github");
    const { store } = holdfast.installation;
    await holdfast.clock.jump(9 * HOUR);
    const broken = vi.spyOn(store, "transaction").mockRejectedValue(new CodedError("database_unavailable"));
    const replies = await many(20, () => holdfast.token("github"));
    expect(new Set(replies.map(({ status, json }) => `${status} ${String(json["access_token"])}`)).size).toBe(1);
    expect(replies[0]?.status).toBe(200);
    expect(replies[0]?.json["access_token"]).not.toBe(first);
    expect(await holdfast.row("github")).toMatchObject({ generation: 1 });
    expect((await holdfast.token("github")).json["access_token"]).toBe(replies[0]?.json["access_token"]);

    broken.mockRestore();
    await holdfast.clock.advance(SECOND);
    await until("it is committed", async () => (await holdfast.row("github")).generation === 2);
    expect(await holdfast.row("github")).toMatchObject({ intent_at: null, lease_until: null });
    expect((await holdfast.token("github")).json["access_token"]).toBe(replies[0]?.json["access_token"]);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("commits the response from the spill after a restart, without another request", async () => {
    const { holdfast, broken, served, copy } = await crashWithSpill();
    const again = await crashedServer(holdfast, copy);
    expect(await again.accessToken("github")).toBe(served);
    expect(await again.row("github")).toMatchObject({ generation: 2, intent_at: null });
    expect(again.log).toContainEqual(expect.objectContaining({ event: "refresh_replayed" }));
    expect(holdfast.refreshes()).toHaveLength(1);
    broken.mockRestore();
  });

  it("does not let one damaged spill record keep the server from starting", async () => {
    const { holdfast, broken, copy } = await crashWithSpill();
    const database = new Database(join(copy, "holdfast.db"));
    database
      .prepare("update data_keys set wrapped = zeroblob(length(wrapped)) where scope = ?")
      .run(holdfast.app.app_id);
    database.close();
    const again = await crashedServer(holdfast, copy);
    expect((await again.request("GET", "/readyz")).status).toBe(200);
    broken.mockRestore();
  });

  it("commits the response from the spill to a connection with a damaged config, and still serves no token", async () => {
    const { holdfast, broken, copy } = await crashWithSpill();
    const database = new Database(join(copy, "holdfast.db"));
    database.prepare("update connections set config = ?").run('{"host":');
    database.close();
    const again = await crashedServer(holdfast, copy);
    expect(await again.row("github")).toMatchObject({ generation: 2, config: null });
    expect(await again.token("github")).toMatchObject({ status: 500, code: "credential_unreadable" });
    broken.mockRestore();
  });

  it("serves no response from memory for a connection with a damaged config", async () => {
    const { holdfast } = await connected("github");
    const { store, refresher } = holdfast.installation;
    await holdfast.clock.jump(9 * HOUR);
    const broken = vi.spyOn(store, "transaction").mockRejectedValue(new CodedError("database_unavailable"));
    const row = await holdfast.row("github");
    await holdfast.accessToken("github");
    const unsaved = refresher.pendingGrant(row.id);
    if (unsaved?.kind !== "unsaved") throw new Error("the response is stored already");
    expect(() => servedUnsaved({ ...unsaved, row: { ...row, config: null } })).toThrow(
      expect.objectContaining({ code: "credential_unreadable" }),
    );
    broken.mockRestore();
  });

  /** Refreshes a connection in a database that then loses the commit, as in a failover. */
  async function failedOver(): Promise<{ holdfast: TestServer; newest: string }> {
    const { holdfast } = await connected("github");
    await holdfast.clock.jump(9 * HOUR);
    const before = await holdfast.row("github");
    const newest = await holdfast.accessToken("github");
    await holdfast.installation.store.transaction((tx) =>
      run(tx.db.updateTable("connections").set(CONNECTION.encode(before)).where("id", "=", before.id)),
    );
    holdfast.installation.cache.clear();
    return { holdfast, newest };
  }

  it("F20: repeats the commits that a failover lost, when the database is back", async () => {
    const { holdfast, newest } = await failedOver();
    await holdfast.installation.refresher.repair();
    expect(await holdfast.row("github")).toMatchObject({ generation: 2, intent_at: null });
    expect(await holdfast.accessToken("github")).toBe(newest);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("F20: does not send a single-use token again if it has the response", async () => {
    const { holdfast, newest } = await failedOver();
    expect(await holdfast.accessToken("github")).toBe(newest);
    expect(await holdfast.row("github")).toMatchObject({ generation: 2, intent_at: null, lease_until: null });
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(holdfast.simulator.ledger().families_revoked).toEqual([]);
  });

  it("sends nothing if the claim cannot be stored", async () => {
    const { holdfast } = await connected("github");
    await holdfast.clock.jump(9 * HOUR);
    vi.spyOn(holdfast.installation.store, "claimRefresh").mockRejectedValue(new CodedError("storage_full"));
    expect((await holdfast.token("github")).code).toBe("storage_full");
    expect(holdfast.refreshes()).toHaveLength(0);
  });
});

describe("after a crash between claim and response", () => {
  /** Leaves a row as if its process had died with a request on the wire. */
  async function crashed(integration_type: "googlecalendar" | "github") {
    const { holdfast } = await connected(integration_type);
    await holdfast.clock.jump(9 * HOUR);
    const row = await holdfast.row(integration_type);
    const claim = await holdfast.installation.store.claimRefresh({
      id: row.id,
      generation: row.generation,
      owner: "node_dead",
      lease_ms: 90 * SECOND,
      urgency: { kind: "background" },
      resend_ms: null,
      holder_wait_ms: 0,
      dead_owners: [],
    });
    expect(claim.kind).toBe("claimed");
    return holdfast.restart();
  }

  it("takes over the intent of a dead owner at once if sending twice does no harm", async () => {
    const holdfast = await crashed("googlecalendar");
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 2, intent_at: null, lease_until: null });
  });

  it("waits for the lease of a single-use token, then sends exactly once", async () => {
    const holdfast = await crashed("github");
    await holdfast.server.sweeper.tick();
    const pending = await holdfast.token("github");
    expect([pending.status, pending.code, pending.headers.get("retry-after")]).toEqual([503, "refresh_pending", "90"]);
    await holdfast.clock.jump(89 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    await holdfast.clock.jump(SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect((await holdfast.token("github")).status).toBe(200);
    expect(await holdfast.row("github")).toMatchObject({ status: "active", intent_at: null });
  });
});

describe("while another node has the lease", () => {
  /** Returns an expired connection that another node is refreshing. */
  async function leased(integration_type: "googlecalendar" | "github", alive: boolean) {
    const { holdfast } = await connected(integration_type);
    const { store } = holdfast.installation;
    // On SQLite no other node can be alive.
    if (alive) vi.spyOn(store, "ownerIsDead").mockResolvedValue(false);
    await holdfast.clock.jump(9 * HOUR);
    const { id, generation } = await holdfast.row(integration_type);
    const urgency = { kind: "background" } as const;
    const rest = { resend_ms: null, holder_wait_ms: 0, dead_owners: [] };
    await store.claimRefresh({ id, generation, owner: "node_other", lease_ms: 90 * SECOND, urgency, ...rest });
    return { holdfast, store, id };
  }

  it("waits for that node, and sends the request itself when that node gives up", async () => {
    const { holdfast, store, id } = await leased("github", true);
    const replies = many(20, () => holdfast.token("github"));
    await until("the readers poll", async () => {
      await holdfast.clock.advance(SECOND / 10);
      return vi.mocked(store.ownerIsDead).mock.calls.length > 0;
    });
    expect(holdfast.refreshes()).toHaveLength(0);
    await store.releaseLease(id, "node_other", null);
    await holdfast.clock.advance(SECOND);
    expect((await replies).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("waits five minutes for a paused node's response to a single-use token, then sends once", async () => {
    const { holdfast } = await leased("github", true);
    await holdfast.clock.jump(90 * SECOND);
    await holdfast.server.sweeper.tick();
    await holdfast.clock.jump(5 * MINUTE - SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    // A sweeper leaves a row alone for a moment if a check had no result.
    await holdfast.clock.jump(SECOND + 10 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(await holdfast.row("github")).toMatchObject({ status: "active", generation: 2 });
  });

  it("does not wait longer than the lease for a paused node if sending twice does no harm", async () => {
    const { holdfast } = await leased("googlecalendar", true);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    await holdfast.clock.jump(90 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("keeps waiting for a paused node behind a dead one", async () => {
    const { holdfast, store, id } = await leased("googlecalendar", true);
    vi.mocked(store.ownerIsDead).mockImplementation(({ owner }) => Promise.resolve(owner === "node_dead"));
    await holdfast.clock.jump(90 * SECOND);
    const { generation } = await holdfast.row("googlecalendar");
    const rest = { lease_ms: 90 * SECOND, resend_ms: null, holder_wait_ms: 5 * MINUTE, dead_owners: [] };
    await store.claimRefresh({ id, generation, owner: "node_dead", urgency: { kind: "background" }, ...rest });
    await holdfast.clock.jump(90 * SECOND);
    const claims = vi.spyOn(store, "claimRefresh");
    await holdfast.server.sweeper.tick();
    expect(claims.mock.calls[0]?.[0]).toMatchObject({ dead_owners: ["node_dead"] });
    await expect(claims.mock.results[0]?.value).resolves.toMatchObject({ row: { earlier_owner: "node_other" } });
  });

  it("returns refresh_pending if that node takes longer than readers wait", async () => {
    const { holdfast } = await leased("github", true);
    const state = { code: "" };
    const reply = holdfast.token("github").then(({ code }) => (state.code = String(code)));
    await until("the reader has a reply", async () => {
      await holdfast.clock.advance(SECOND / 10);
      return state.code !== "";
    });
    expect(await reply).toBe("refresh_pending");
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("does not wait for a dead node if sending twice does no harm, and does not send if it does", async () => {
    const harmless = await leased("googlecalendar", false);
    expect((await harmless.holdfast.token("googlecalendar")).status).toBe(200);
    const strict = await leased("github", false);
    expect(await strict.holdfast.token("github")).toMatchObject({ status: 503, code: "refresh_pending" });
    expect(strict.holdfast.refreshes()).toHaveLength(0);
  });
});

import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startServer } from "../../src/app.ts";
import type { Config } from "../../src/config.ts";
import { exitCodeOf } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { openInstallation } from "../../src/installation.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { sealContext } from "../../src/service/grants/grant.ts";
import { sealedFromStorage } from "../../src/vault/seal.ts";
import { errorOf } from "../vault/support.ts";
import { HOUR, SECOND, until } from "../support/clock.ts";
import { secretPart, startTestServer, type TestServer } from "../support/server.ts";

/** Returns a data directory with two connected accounts, whose server has stopped. */
async function stopped(): Promise<TestServer> {
  const holdfast = await startTestServer();
  await holdfast.connect("googlecalendar");
  await holdfast.connect("slack");
  await holdfast.server.close();
  return holdfast;
}

const serve = ({ clock }: TestServer, config: Config) => startServer({ config, clock, log: silentLog });

async function refreshTokenOf(holdfast: TestServer, integration_type: string): Promise<string> {
  const row = await holdfast.row(integration_type);
  const sealed = sealedFromStorage(row.sealed_refresh ?? new Uint8Array());
  return (await holdfast.installation.vault.open(sealContext(row, "refresh"), sealed)).expose();
}

/** Returns the SHA-256 of each file. */
function contents(data_dir: string): Record<string, string> {
  const hash = (name: string) =>
    createHash("sha256")
      .update(readFileSync(join(data_dir, name)))
      .digest("hex");
  return Object.fromEntries(readdirSync(data_dir).map((name) => [name, hash(name)]));
}

/** Changes a row without the server. */
function edit(data_dir: string, sql: string, ...parameters: readonly unknown[]): void {
  const database = new Database(join(data_dir, "holdfast.db"));
  database.prepare(sql).run(...parameters);
  database.close();
}

describe("a start with the wrong key", () => {
  it("refuses a key of other data, with exit code 78, and changes no byte", async () => {
    const holdfast = await stopped();
    const before = contents(holdfast.config.data_dir);
    const other_key = { ...holdfast.config, master_key: new Secret(randomBytes(32).toString("base64")) };
    const error = await errorOf(() => serve(holdfast, other_key));
    expect(error?.code).toBe("wrong_master_key");
    expect(exitCodeOf("wrong_master_key")).toBe(78);
    expect(contents(holdfast.config.data_dir)).toEqual(before);
  });

  it("refuses to start without its key, and never creates a new one beside data", async () => {
    const holdfast = await stopped();
    const key = join(holdfast.config.data_dir, "master.key");
    renameSync(key, `${key}.moved`);
    const before = contents(holdfast.config.data_dir);
    const error = await errorOf(() => serve(holdfast, holdfast.config));
    expect(error?.code).toBe("missing_master_key");
    expect(exitCodeOf("missing_master_key")).toBe(78);
    expect(contents(holdfast.config.data_dir)).toEqual(before);
    expect(existsSync(key)).toBe(false);
  });

  it("starts again with the right key", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("slack");
    const token = await holdfast.accessToken("slack");
    const again = await holdfast.restart();
    expect(await again.accessToken("slack")).toBe(token);
  });

  it("creates a key in a new directory, readable by its owner only", async () => {
    const { config } = await startTestServer();
    expect(statSync(join(config.data_dir, "master.key")).mode & 0o777).toBe(0o600);
    expect(statSync(join(config.data_dir, "holdfast.db")).mode & 0o777).toBe(0o600);
    expect(statSync(join(config.data_dir, "spill.bin")).mode & 0o077).toBe(0);
  });
});

describe("damaged data", () => {
  it("with one flipped bit fails only its connection, changes nothing, and returns who must act", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    await holdfast.connect("slack");
    const { sealed_access, id } = await holdfast.row("slack");
    const flipped = Buffer.from(sealed_access ?? []);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    edit(holdfast.config.data_dir, "update connections set sealed_access = ? where id = ?", flipped, id);
    await holdfast.clock.advance(SECOND);

    const refused = await holdfast.token("slack");
    expect([refused.status, refused.code]).toEqual([500, "credential_unreadable"]);
    expect(refused.extra).toMatchObject({ who_must_act: "operator", reason: "credential_unreadable" });
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect((await holdfast.row("slack")).sealed_access).toEqual(flipped);
    expect(holdfast.log).toContainEqual(expect.objectContaining({ event: "credential_unreadable", connection_id: id }));

    await holdfast.connect("slack");
    expect((await holdfast.token("slack")).status).toBe(200);
  });

  it("that was moved to another row is refused there", async () => {
    const holdfast = await startTestServer();
    const other = await holdfast.createApp("other");
    await holdfast.connect("slack");
    await holdfast.connect("slack", { app: other, account: "eve" });
    await holdfast.connect("slackbot");
    const other_app = (await holdfast.row("slack", other)).sealed_access;
    const sibling = (await holdfast.row("slackbot")).sealed_access;
    for (const moved of [other_app, sibling]) {
      const { id } = await holdfast.row("slack");
      edit(holdfast.config.data_dir, "update connections set sealed_access = ? where id = ?", moved, id);
      await holdfast.clock.advance(SECOND);
      expect((await holdfast.token("slack")).code).toBe("credential_unreadable");
    }
  });

  it("of an older generation is refused in place of the current one", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    const old = await holdfast.row("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.token("googlecalendar");
    edit(holdfast.config.data_dir, "update connections set sealed_access = ? where id = ?", old.sealed_access, old.id);
    await holdfast.clock.advance(SECOND);
    expect((await holdfast.token("googlecalendar")).code).toBe("credential_unreadable");
  });

  it("in the refresh token sends nothing, and leaves no open intent", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    edit(holdfast.config.data_dir, "update connections set sealed_refresh = zeroblob(64)");
    await holdfast.clock.jump(2 * HOUR);
    expect((await holdfast.token("googlecalendar")).code).toBe("credential_unreadable");
    expect(holdfast.refreshes()).toEqual([]);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ intent_at: null, lease_until: null });
  });

  it("in the client's secret sends nothing, and leaves no open intent", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    edit(holdfast.config.data_dir, "update oauth_clients set sealed_secret = zeroblob(64)");
    await holdfast.clock.jump(2 * HOUR);
    expect((await holdfast.token("googlecalendar")).code).toBe("credential_unreadable");
    expect(await holdfast.row("googlecalendar")).toMatchObject({ intent_at: null, lease_until: null });
    await holdfast.setClient("googlecalendar");
    await holdfast.clock.jump(10 * SECOND);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });
});

describe("beside the running server", () => {
  it("no second server starts on its directory", async () => {
    const holdfast = await startTestServer();
    const error = await errorOf(() => serve(holdfast, holdfast.config));
    expect(error?.code).toBe("database_in_use");
    expect(exitCodeOf("database_in_use")).toBe(75);
    expect((await holdfast.request("GET", "/readyz")).status).toBe(200);
  });

  it("the writes of a command take effect within a second", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("slack");
    expect((await holdfast.token("slack")).status).toBe(200);
    const command = await openInstallation(
      { config: holdfast.config, clock: holdfast.clock, log: silentLog },
      "command",
    );
    await command.connections.disconnect(holdfast.app.app_id, "slack");
    await command.close();
    await holdfast.clock.advance(SECOND);
    expect((await holdfast.token("slack")).code).toBe("connection_disconnected");
    await holdfast.server.sweeper.tick();
    await until("the running server revoked it", () =>
      holdfast.simulator.ledger().requests.some(({ kind }) => kind === "revoke"),
    );
  });

  it("a command without data names the directory", async () => {
    const holdfast = await startTestServer();
    const config = { ...holdfast.config, data_dir: join(holdfast.config.data_dir, "nowhere") };
    const error = await errorOf(() => openInstallation({ config, clock: holdfast.clock, log: silentLog }, "command"));
    expect(error?.code).toBe("not_found");
    expect(error?.message).toContain(config.data_dir);
    expect(existsSync(config.data_dir)).toBe(false);
  });

  it("a port in use is refused, and nothing stays locked", async () => {
    const [one, two] = [await startTestServer(), await stopped()];
    const error = await errorOf(() => serve(two, { ...two.config, port: one.config.port }));
    expect(error?.code).toBe("port_in_use");
    const again = await serve(two, two.config);
    await again.close();
  });
});

describe("a data directory", () => {
  it("has no token, no secret and no key in any file", async () => {
    const holdfast = await startTestServer();
    const client_id = await holdfast.setClient("googlecalendar", [], "canary");
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    const access_token = await holdfast.accessToken("googlecalendar");
    await holdfast.installation.audit.flush();
    const secrets = [
      access_token,
      `secret-of-${client_id}`,
      secretPart(holdfast.app.service_token),
      secretPart(holdfast.app.api_key),
      await refreshTokenOf(holdfast, "googlecalendar"),
    ];
    for (const name of readdirSync(holdfast.config.data_dir)) {
      if (name === "master.key") continue;
      const bytes = readFileSync(join(holdfast.config.data_dir, name));
      for (const secret of secrets) expect([name, bytes.includes(secret)]).toEqual([name, false]);
    }
    const log = JSON.stringify(holdfast.log);
    for (const secret of secrets) expect(log).not.toContain(secret);
  });

  it("is refused if others can read its key", async () => {
    const holdfast = await stopped();
    const key = join(holdfast.config.data_dir, "master.key");
    const text = readFileSync(key);
    renameSync(key, `${key}.moved`);
    writeFileSync(key, text, { mode: 0o644 });
    expect((await errorOf(() => serve(holdfast, holdfast.config)))?.code).toBe("configuration");
  });
});

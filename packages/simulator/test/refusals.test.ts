/** What the token endpoints refuse, each vendor in its own format. */
import { describe, expect, it } from "vitest";
import { approveConsent } from "../src/index.ts";
import { application, read, REDIRECT_URI, serviceIds, services, simulation, type ServiceId } from "./application.ts";

const badSecret: Record<ServiceId, readonly [number, string]> = {
  googlecalendar: [401, "invalid_client"],
  slack: [200, "bad_client_secret"],
  slackbot: [200, "bad_client_secret"],
  github: [200, "incorrect_client_credentials"],
  notion: [401, "invalid_client"],
  salesforce: [400, "invalid_client"],
};

const usedCode: Record<ServiceId, readonly [number, string]> = {
  googlecalendar: [400, "invalid_grant"],
  slack: [200, "code_already_used"],
  slackbot: [200, "code_already_used"],
  github: [200, "bad_verification_code"],
  notion: [400, "invalid_grant"],
  salesforce: [400, "invalid_grant"],
};

const unknownRefresh: Record<ServiceId, readonly [number, string]> = {
  ...usedCode,
  slack: [200, "invalid_refresh_token"],
  slackbot: [200, "invalid_refresh_token"],
  github: [200, "bad_refresh_token"],
};

describe.each(serviceIds)("%s", (id) => {
  it("refuses a wrong client secret, and the code stays valid", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    const refused = await app.exchange(code, { client_secret: "wrong" });
    expect([refused.status, refused.json["error"]]).toEqual(badSecret[id]);
    const good = await app.exchange(code);
    expect(good.json).not.toHaveProperty("error");
  });

  it("accepts a code once", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    await app.exchange(code);
    const again = await app.exchange(code);
    expect([again.status, again.json["error"]]).toEqual(usedCode[id]);
  });

  it("refuses a code that has expired, another client's code, and a code with another redirect URI", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    expect((await application(simulator, id, "other").exchange(code)).json).toHaveProperty("error");
    expect((await app.exchange(code, { redirect_uri: `${REDIRECT_URI}/x` })).json).toHaveProperty("error");
    simulator.advance(900_000);
    expect((await app.exchange(code)).json).toHaveProperty("error");
    const outcomes = simulator.ledger().requests.map(({ outcome }) => outcome);
    expect(outcomes.join(" ")).toBe("ok ok bad_code wrong_redirect expired_code");
  });

  it("refuses an unknown refresh token", async () => {
    const simulator = await simulation();
    const refused = await application(simulator, id, "sim-ok").refresh("no-such-token");
    expect([refused.status, refused.json["error"]]).toEqual(unknownRefresh[id]);
  });
});

describe.each(["googlecalendar", "github", "salesforce"] as const)("PKCE at %s", (id) => {
  it.each([
    ["w".repeat(43), "bad_verifier"],
    ["", "no_verifier"],
  ])("refuses the verifier '%s'", async (code_verifier, outcome) => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    await app.exchange(code, { code_verifier });
    expect(simulator.ledger().requests.at(-1)?.outcome).toBe(outcome);
  });
});

describe.each(["slack", "notion"] as const)("%s", (id) => {
  it("ignores PKCE", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    expect((await app.exchange(code, { code_verifier: "w".repeat(43) })).json).not.toHaveProperty("error");
  });
});

const post = async (url: string, body: string, headers: Record<string, string>) =>
  read(await fetch(url, { method: "POST", body, headers }));

describe("client authentication", () => {
  it("is HTTP Basic with JSON at Notion, nothing else", async () => {
    const simulator = await simulation();
    const url = `${simulator.url}/${services.notion.token}`;
    const fields = { client_id: "sim-ok", client_secret: "secret-of-sim-ok", grant_type: "refresh_token" };
    const asJson = { "content-type": "application/json" };
    const asForm = { "content-type": "application/x-www-form-urlencoded" };
    expect((await post(url, JSON.stringify(fields), asJson)).status).toBe(401);
    expect((await post(url, new URLSearchParams(fields).toString(), asForm)).json["error"]).toBe("invalid_request");
    expect(simulator.ledger().requests.map(({ outcome }) => outcome)).toEqual(["wrong_auth_method", "wrong_body"]);
  });

  it("accepts form-encoded Basic credentials, as RFC 6749 section 2.3.1 requires", async () => {
    const simulator = await simulation();
    const encoded = ["sim-rotate+slow", "secret-of-sim-rotate+slow"].map((part) => encodeURIComponent(part)).join(":");
    const reply = await post(`${simulator.url}/${services.slack.token}`, "grant_type=refresh_token&refresh_token=x", {
      authorization: `Basic ${Buffer.from(encoded).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(reply.json["error"]).toBe("invalid_refresh_token");
    expect(simulator.ledger().requests.at(-1)).toMatchObject({ client_id: "sim-rotate+slow", client_auth: "basic" });
  });

  it("checks a registered secret and registered redirect URIs", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "mine");
    simulator.registerClient({ client_id: "mine", client_secret: "registered", redirect_uris: [REDIRECT_URI] });
    const code = (await app.consent()).get("code") ?? "";
    expect((await app.exchange(code)).json["error"]).toBe("invalid_client");
    expect((await app.exchange(code, { client_secret: "registered" })).status).toBe(200);
    const other_uri = app.authorizeUrl({ redirect_uri: `${REDIRECT_URI}/` });
    await expect(approveConsent(other_uri)).rejects.toThrow(/not registered/);
  });
});

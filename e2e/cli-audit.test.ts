/** The audit events of commands on the server's machine, which contain no secrets. */
import { clientSecretOf } from "@holdfast/simulator";
import { expect, it } from "vitest";
import { holdfast } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import { createApp, getConnection, prepareSite, signIn, startSimulated } from "./support/server.ts";

it(
  "records each command on the server's machine when it ends, with its own action and without any secret",
  { tags: "all", timeout: 60_000 },
  async () => {
    const { url } = await startSimulated();
    const site = await prepareSite(url);
    const server = await site.start();
    const setup_url = server.ready.text("setup_url");
    const builder = await signIn(site, setup_url);
    const run = async (args: readonly string[], stdin = ""): Promise<Json> => {
      const ended = await holdfast([...args, "--data-dir", site.data_dir, "--json"], { home: site.home, stdin });
      expect([args, ended.exit_code, ended.stderr]).toEqual([args, 0, ""]);
      return parseJson(ended.stdout);
    };

    const app = await createApp(site);
    const app_args = ["--app", app.app_id];
    const token = await run(["tokens", "create", ...app_args]);
    await run(["tokens", "revoke", token.text("id"), ...app_args]);
    const secret = clientSecretOf("sim-ok");
    await run(["clients", "set", "slack", "--client-id", "sim-ok", "--client-secret-stdin"], secret);
    await builder.connect((await run(["connectors", "initiate", "slack", ...app_args])).text("redirect_url"));
    const { access_token } = await getConnection(site, app, "slack");
    expect(access_token).not.toBeNull();
    await run(["connectors", "disconnect", "slack", ...app_args]);
    await run(["connectors", "remove", "slack", ...app_args]);
    await run(["clients", "remove", "slack"]);
    const link = (await run(["setup-link"])).text("setup_url");
    const rotated = await run(["keys", "rotate"]);
    const retired = (await run(["keys", "retire"])).get("retired").value;
    await run(["apps", "delete", app.app_id]);

    const events = (await run(["audit", "export"])).list("events");
    const own_events = events.filter((event) => event.text("actor") === "command");
    const shop = app.app_id;
    expect(own_events.map((one) => [one.text("action"), one.text("app_id"), one.get("target").value])).toEqual([
      ["app.create", shop, null],
      ["service_token.create", shop, token.text("id")],
      ["service_token.revoke", shop, token.text("id")],
      ["oauth_client.set", "", "slack"],
      ["connector.initiate", shop, "slack"],
      ["connector.disconnect", shop, "slack"],
      ["connector.remove", shop, "slack"],
      ["oauth_client.remove", "", "slack"],
      ["setup_link.create", "", null],
      ["master_key.rotate", "", rotated.text("kek_id")],
      ["master_key.retire", "", Array.isArray(retired) ? (retired[0] as unknown) : null],
      ["app.delete", shop, null],
    ]);
    for (const event of own_events)
      expect([event.get("address").value, event.get("request_id").value]).toEqual([null, null]);

    const trail = JSON.stringify(events.map(({ value }) => value));
    const secrets = [app.service_token, app.api_key, token.text("service_token"), secret, access_token ?? ""];
    const links = [setup_url, link].map((one) => one.slice(one.lastIndexOf("/") + 1));
    for (const one of [...secrets, ...links]) expect(trail).not.toContain(one);
  },
);

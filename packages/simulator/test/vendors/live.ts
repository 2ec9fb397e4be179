/**
 * Collects the replies of one simulated service that have fixtures, each under the name of its
 * file.
 */
import type { Reply } from "../application.ts";
import { get } from "./service.ts";
import { heldFrom, appFor, type Held, type ServiceId } from "./service-app.ts";

const DAY_MS = 86_400_000;
const GRAPH = "graph.instagram.com";

const long = get(
  `${GRAPH}/access_token?grant_type=ig_exchange_token&client_secret={client_secret}&access_token={access}`,
  {},
);
const renew = get(`${GRAPH}/refresh_access_token?grant_type=ig_refresh_token&access_token={access}`, {});

export async function liveReplies(id: ServiceId): Promise<ReadonlyMap<string, Reply>> {
  const app = await appFor(id);
  const { service } = app;
  const replies = new Map<string, Reply>();
  const callback = await app.consent();
  replies.set("error-client", await app.exchange(callback, { client_secret: "wrong" }));
  const token = await app.exchange(callback);
  replies.set("token", token);
  const first = heldFrom(token, Object.fromEntries(callback));
  let held: Held = first;
  if (service.refresh !== "reissue") replies.set("error-code", await app.exchange(callback));
  if (service.refresh === "custom") {
    const lasting = await app.call(long, held);
    replies.set("long-lived", lasting);
    held = heldFrom(lasting, {});
    app.simulator.advance(DAY_MS);
    replies.set("refresh", await app.call(renew, held));
  } else if (service.refresh !== "none") {
    const unknown = { access: "", refresh: "no-such-token", values: { instanceId: "no-such-installation" } };
    replies.set("error-refresh", await app.refresh(unknown));
    const refreshed = await app.refresh(held);
    replies.set("refresh", refreshed);
    held = heldFrom(refreshed, {}, held);
  }
  if (service.identity !== null) replies.set("identity", await app.call(service.identity, held));
  replies.set("resource", await app.call(service.resource, held));
  replies.set("error-token", await app.call(service.resource, { ...held, access: "no-such-token" }));
  if (service.revoke !== null) replies.set("revoke", await app.call(service.revoke, held));
  return replies;
}

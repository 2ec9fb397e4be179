/** The answers of one simulated service that are kept as fixtures, each under the name of its file. */
import type { Reply } from "../application.ts";
import { get } from "./service.ts";
import { holding, visit, type Held, type ServiceId } from "./visit.ts";

const DAY_MS = 86_400_000;
const GRAPH = "graph.instagram.com";

const long = get(
  `${GRAPH}/access_token?grant_type=ig_exchange_token&client_secret={client_secret}&access_token={access}`,
  {},
);
const renew = get(`${GRAPH}/refresh_access_token?grant_type=ig_refresh_token&access_token={access}`, {});

export async function liveAnswers(id: ServiceId): Promise<ReadonlyMap<string, Reply>> {
  const app = await visit(id);
  const { service } = app;
  const answers = new Map<string, Reply>();
  const callback = await app.consent();
  answers.set("error-client", await app.exchange(callback, { client_secret: "wrong" }));
  const token = await app.exchange(callback);
  answers.set("token", token);
  const first = holding(token, Object.fromEntries(callback));
  let held: Held = first;
  if (service.refresh !== "remint") answers.set("error-code", await app.exchange(callback));
  if (service.refresh === "own") {
    const lasting = await app.call(long, held);
    answers.set("long-lived", lasting);
    held = holding(lasting, {});
    app.simulator.advance(DAY_MS);
    answers.set("refresh", await app.call(renew, held));
  } else if (service.refresh !== "none") {
    const nobody = { access: "", refresh: "no-such-token", values: { instanceId: "no-such-installation" } };
    answers.set("error-refresh", await app.refresh(nobody));
    const refreshed = await app.refresh(held);
    answers.set("refresh", refreshed);
    held = holding(refreshed, {}, held);
  }
  if (service.identity !== null) answers.set("identity", await app.call(service.identity, held));
  answers.set("resource", await app.call(service.resource, held));
  answers.set("error-token", await app.call(service.resource, { ...held, access: "no-such-token" }));
  if (service.revoke !== null) answers.set("revoke", await app.call(service.revoke, held));
  return answers;
}

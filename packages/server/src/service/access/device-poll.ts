/** The polls of a command line that waits for its login to be approved (RFC 8628 §3.4). */
import { newId } from "../../core/ids.ts";
import { sha256Hex } from "../../core/secret.ts";
import type { PollRules } from "../../store/queries/device.ts";
import { newPair, sessionLife, type IssuedTokens } from "./cli-tokens.ts";
import { requireClient } from "./device-clients.ts";
import type { DeviceDeps } from "./device.ts";
import { GrantError } from "./grant-error.ts";

const DEVICE_CODE_PATTERN = /^[A-Za-z0-9_-]{43}$/;
const SLOW_DOWN_S = 5;
const JITTER_MS = 1_000;

const DESCRIPTIONS = {
  authorization_pending: "This login has not been approved yet.",
  slow_down: "This poll came too soon. Wait five seconds longer between polls.",
  access_denied: "This login was denied on the page.",
  expired_token: "This login was not approved in time. Start it again.",
  invalid_grant: "This device code is unknown, or was used already. Start the login again.",
} as const;

type PollDeps = Pick<DeviceDeps, "store" | "cliSessions" | "audit" | "clock" | "limits">;

/** Exchanges the device code of an approved login for tokens. Reusing the code ends its session. */
export async function pollLogin(deps: PollDeps, device_code: string, client_id: string): Promise<IssuedTokens> {
  const { store, cliSessions, audit, clock, limits } = deps;
  requireClient(client_id);
  const arrived_at = clock.now();
  if (!DEVICE_CODE_PATTERN.test(device_code)) throw refusal("invalid_grant");
  const { pair, tokens } = newPair(limits);
  const poll = { device_hash: sha256Hex(device_code), client_id, arrived_at, session_id: newId("ses"), pair };
  const rules: PollRules = { ...sessionLife(limits), slow_down_s: SLOW_DOWN_S, jitter_ms: JITTER_MS };
  const redeemed = await store.redeemDeviceCode(poll, rules);
  if (redeemed.kind === "issued") {
    const { id, user_id, scope } = redeemed.session;
    audit.record({ actor: `user:${user_id}`, action: "cli_session.create", target: id });
    return { ...tokens, scope: scope.join(" ") };
  }
  if (redeemed.kind === "invalid_grant" && redeemed.ended !== null) {
    cliSessions.clear();
    const { id, user_id } = redeemed.ended;
    audit.record({ actor: `user:${user_id}`, action: "cli_session.device_code_reused", target: id });
  }
  throw refusal(redeemed.kind);
}

function refusal(error: keyof typeof DESCRIPTIONS): GrantError {
  return new GrantError(error, DESCRIPTIONS[error]);
}

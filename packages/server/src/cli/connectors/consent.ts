/** Waits until the user gives or denies consent in the browser. */
import type { Clock } from "../../core/clock.ts";
import type { Wait } from "../terminal/wait.ts";
import type { ConnectorsApi, ConsentStatus } from "./api.ts";

const POLL_MS = 2_000;
/** The lifetime of a connect link. */
export const CONSENT_TTL_MS = 600_000;

/** Returns PENDING if there is no decision after `limit_ms`. */
export async function waitForConsent(
  api: Pick<ConnectorsApi, "status">,
  integration_type: string,
  connection_id: string,
  limit_ms: number,
  { clock, wait }: { readonly clock: Clock; readonly wait: Wait },
): Promise<ConsentStatus> {
  const until_ms = clock.monotonic_ms() + limit_ms;
  for (;;) {
    const status = await api.status(integration_type, connection_id);
    if (status !== "PENDING" || clock.monotonic_ms() + POLL_MS > until_ms) return status;
    await wait(POLL_MS);
  }
}

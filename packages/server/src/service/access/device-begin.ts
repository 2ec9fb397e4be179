/** The first request of a device login: a new pair of codes. */
import { CodedError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import type { Ground } from "../ground.ts";
import { grantedScope, requireClient } from "./device-clients.ts";
import { secondsUntil } from "./rate-limits.ts";
import { formatLetters, hashLetters, newLetters } from "./user-codes.ts";

export interface LoginRequest {
  readonly client_id: string;
  readonly scope: string | null;
  readonly address: string;
  /** The key of the limit on pending logins: an IPv4 address or an IPv6 /64 network. */
  readonly network: string;
}

/** RFC 8628 §3.2. */
export interface DeviceCode {
  readonly device_code: Secret;
  /** `XXXX-XXXX`. */
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in_s: number;
  readonly interval_s: number;
}

type BeginDeps = Pick<Ground, "store" | "keyring" | "urls" | "clock" | "limits">;

/** @throws GrantError `invalid_client`, `invalid_scope`, and CodedError `rate_limited` */
export async function beginLogin(deps: BeginDeps, request: LoginRequest): Promise<DeviceCode> {
  const { urls, limits } = deps;
  requireClient(request.client_id);
  const scope = grantedScope(request.scope);
  const device_code = randomToken();
  let letters = newLetters();
  while (!(await isStored(deps, { ...request, scope }, device_code, letters))) letters = newLetters();
  const user_code = formatLetters(letters);
  return {
    device_code: new Secret(device_code),
    user_code,
    verification_uri: `${urls.public_url}/device`,
    verification_uri_complete: `${urls.public_url}/device?user_code=${user_code}`,
    expires_in_s: Math.floor(limits.device_code_ttl_ms / 1_000),
    interval_s: limits.device_poll_interval_s,
  };
}

/**
 * Stores the codes. Returns false when another login has the same user code.
 *
 * @throws CodedError `rate_limited`
 */
async function isStored(
  { store, keyring, clock, limits }: BeginDeps,
  request: Omit<LoginRequest, "scope"> & { readonly scope: readonly string[] },
  device_code: string,
  letters: string,
): Promise<boolean> {
  const code = {
    ...request,
    device_hash: sha256Hex(device_code),
    user_code_hash: hashLetters(keyring, letters)[0],
    expires_at: plus(clock.now(), limits.device_code_ttl_ms),
    interval_s: limits.device_poll_interval_s,
  };
  const created = await store.createDeviceCode(code, limits.device_codes_per_address);
  if (created.kind !== "too_many") return created.kind !== "taken";
  throw new CodedError("rate_limited", {
    message: `${limits.device_codes_per_address} logins from this address are pending. Finish one, or wait.`,
    retry_after_s: secondsUntil(created.until, clock.now()),
  });
}

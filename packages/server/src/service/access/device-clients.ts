/** The command lines that can sign in, and the scopes they can have. */
import { GrantError } from "./grant-error.ts";

/** Public clients: their ids are no secret and prove nothing (RFC 8628 §5.6). */
const CLIENTS: Readonly<Record<string, string>> = {
  base44_cli: "Base44 command line",
  holdfast_cli: "Holdfast command line",
};
const CLI_SCOPES = ["apps:read", "apps:write", "sandbox:write"];
/** RFC 6749 §3.3. */
const SCOPE_PATTERN = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const SCOPE_LENGTH = 1_000;

/** @throws GrantError `invalid_client` */
export function requireClient(client_id: string): void {
  if (Object.hasOwn(CLIENTS, client_id)) return;
  const known = Object.keys(CLIENTS).join(", ");
  throw new GrantError("invalid_client", `This client_id is unknown. The known ones are ${known}.`);
}

export function clientName(client_id: string): string {
  return CLIENTS[client_id] ?? client_id;
}

/**
 * Returns the known scopes of a request. Newer clients can request more, and RFC 6749 §3.3 lets us
 * grant less.
 *
 * @throws GrantError `invalid_scope` when no scope is known
 */
export function grantedScope(scope: string | null): readonly string[] {
  if (scope === null || scope === "") return CLI_SCOPES;
  const is_valid = SCOPE_PATTERN.test(scope) && scope.length <= SCOPE_LENGTH;
  const requested = is_valid ? scope.split(" ") : [];
  const granted = CLI_SCOPES.filter((known) => requested.includes(known));
  if (granted.length > 0) return granted;
  throw new GrantError("invalid_scope", `None of these scopes is known. The known ones are ${CLI_SCOPES.join(", ")}.`);
}

/** Proof Key for Code Exchange, the vendor's side (RFC 7636 sections 4.3 and 4.6). */
import { createHash } from "node:crypto";

export interface Challenge {
  readonly value: string;
  readonly method: string;
  readonly encoding: "base64url" | "hex";
}

/** Returns the verifier's problem, or null. Without a challenge there is nothing to verify. */
export function pkceProblem(
  challenge: Challenge | null,
  verifier: string | undefined,
): "no_verifier" | "bad_verifier" | null {
  if (challenge === null) return null;
  if (verifier === undefined || verifier === "") return "no_verifier";
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return "bad_verifier";
  const expected =
    challenge.method === "plain" ? verifier : createHash("sha256").update(verifier, "ascii").digest(challenge.encoding);
  return expected === challenge.value ? null : "bad_verifier";
}

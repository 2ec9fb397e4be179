/** Finds a free port by listening on one for a moment. */
import { createServer } from "node:net";
import { CodedError } from "../../core/errors.ts";

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => {
    probe.listen(0, "localhost", resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => {
    probe.close(resolve);
  });
  if (typeof address === "object" && address !== null) return address.port;
  throw new CodedError("internal", { message: "No free port was found." });
}

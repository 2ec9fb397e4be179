/** A port for a server whose address must be known before it starts. */
import { createServer } from "node:net";

/** Returns a free port of 127.0.0.1. Another process can use it first. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => {
    probe.listen(0, "127.0.0.1", resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => {
    probe.close(resolve);
  });
  if (address === null || typeof address === "string") throw new Error("No free port was found.");
  return address.port;
}

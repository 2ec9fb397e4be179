/** The bridge of a function process, without the process. */
import { once } from "node:events";
import { createServer } from "node:net";
import { onTestFinished } from "vitest";
import type { TestServer } from "./server.ts";

/** Opens a listener that is the bridge of `process_id`. Returns its URL. */
export async function openBridge(
  { server, app }: Pick<TestServer, "server" | "app">,
  process_id: string,
  app_id: string = app.app_id,
): Promise<string> {
  const listener = createServer();
  server.acceptBridge(listener, { process_id, app_id });
  await once(listener.listen({ host: "127.0.0.1", port: 0 }), "listening");
  onTestFinished(() => void listener.close());
  const bound = listener.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return `http://127.0.0.1:${bound.port}`;
}

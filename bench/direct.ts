/** The same sandboxed process as the server's, called over its socket without the server. */
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { systemClock } from "../packages/server/src/core/clock.ts";
import { asAppId } from "../packages/server/src/core/ids.ts";
import { LIMITS } from "../packages/server/src/core/limits.ts";
import { findDeno } from "../packages/server/src/runner/deno.ts";
import { startProcess } from "../packages/server/src/runner/process.ts";
import { createRedactor } from "../packages/server/src/runner/redact.ts";
import { createSandbox } from "../packages/server/src/runner/sandbox/sandbox.ts";
import { createVersions } from "../packages/server/src/runner/versions.ts";

interface Direct extends AsyncDisposable {
  call(): Promise<void>;
}

export async function callDirectly(code: string): Promise<Direct> {
  const clock = systemClock;
  const sandbox = createSandbox({
    isolation: "bubblewrap",
    deno: findDeno(),
    authorities: null,
    uids: { first: 1_900_100_000, last: 1_900_100_009 },
    poll_ms: LIMITS.function_poll_ms,
    start_timeout_ms: LIMITS.function_start_timeout_ms,
    clock,
  });
  const live = {
    app_id: asAppId("bench"),
    function_name: "warm",
    version_id: "1",
    code,
    secrets: {},
    secrets_revision: "0",
  };
  const { directory } = await createVersions(sandbox.root).open(live);
  const child = startProcess({
    sandbox,
    app_id: "bench",
    directory,
    function_name: "warm",
    gateway: null,
    gateway_hosts: [],
    secrets: {},
    limits: LIMITS,
    clock,
    acceptBridge: () => {},
    serveEgress: () => {},
    redactor: createRedactor({}),
    onRecord: () => {},
    onDone: () => {},
    onFailure: (error) => {
      throw error;
    },
  });
  const { address } = await child.ready;
  const headers = { "x-holdfast-key": child.key, "x-holdfast-url": "http://bench/", "content-length": "2" };
  return {
    call: async () => {
      const response = Promise.withResolvers<string>();
      const sent = request({ ...address, method: "POST", path: "/", headers, agent: false });
      sent.once("response", (received) => void text(received).then(response.resolve, response.reject));
      sent.once("error", response.reject);
      sent.end("{}");
      if ((await response.promise) !== "hello") throw new Error("The process did not respond.");
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      await sandbox.close();
    },
  };
}

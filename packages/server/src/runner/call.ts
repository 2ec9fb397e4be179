/** Calls a function on behalf of this server, and ignores the response body. */
import { finished } from "node:stream/promises";
import type { LiveFunction } from "../core/functions/functions.ts";
import { newId } from "../core/ids.ts";
import type { FunctionRunner } from "./functions.ts";

/** Sends a JSON body without an app user. Returns the status of the complete response. */
export async function callFunction(
  runner: Pick<FunctionRunner, "invoke">,
  live: LiveFunction,
  body: string,
  public_url: string,
): Promise<number> {
  const prefix = `/api/apps/${live.app_id}/functions/${live.function_name}`;
  const response = await runner.invoke({
    request_id: newId("req"),
    function: live,
    method: "POST",
    url: public_url + prefix,
    prefix,
    client_address: null,
    headers: { "content-type": "application/json" },
    body: Buffer.from(body),
    user_authorization: null,
    signal: null,
  });
  response.body.resume();
  await finished(response.body);
  return response.status;
}

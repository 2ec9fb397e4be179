/**
 * callApi: a request to a vendor's API, sent by the server. Owns its argument checks and the
 * mapping of fields in both directions.
 */
import { pathPart, requireText } from "./argument.ts";
import { isRecord, isStringRecord, nonEmptyString } from "./json.ts";
import type { Send } from "./transport.ts";
import type { CallOptions, ConnectorApiRequest, ConnectorApiResponse, ConnectorApiResponsePhase } from "./types.ts";

const METHODS = new Set<unknown>(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]);
const PHASES: readonly ConnectorApiResponsePhase[] = ["not_sent", "responded", "timed_out", "sent_unconfirmed"];

export async function callApi(
  send: Send,
  integrationType: string,
  request: ConnectorApiRequest,
  options: CallOptions = {},
): Promise<ConnectorApiResponse> {
  const type = pathPart(integrationType, "Integration type");
  const body = wireRequest(request);
  return send({ method: "POST", path: `connectors/${type}/call`, body, signal: options.signal }, readResponse);
}

function wireRequest(request: ConnectorApiRequest) {
  if (!isRecord(request)) throw new TypeError("Request must be an object");
  const { method = "GET", host, path, query, headers, body } = request;
  if (!METHODS.has(method)) throw new TypeError(`Request method must be one of ${[...METHODS].join(", ")}`);
  // To a URL parser, "//host" and "/\host" are addresses of another host.
  if (!/^\/(?!\s*[/\\])/.test(requireText(path, "Request path"))) {
    throw new TypeError("Request path must start with a single / and must not be an absolute address");
  }
  return {
    method,
    ...(host === undefined || host === null ? {} : { host: requireText(host, "Request host") }),
    path,
    query: query ?? {},
    headers: headers ?? {},
    body: body ?? null,
  };
}

function readResponse(body: unknown): ConnectorApiResponse | null {
  if (!isRecord(body) || typeof body["success"] !== "boolean") return null;
  const phase = PHASES.find((known) => known === body["phase"]);
  if (phase === undefined) return null;
  const { status_code: status, headers, credits_charged: credits } = body;
  return {
    success: body["success"],
    phase,
    status: typeof status === "number" ? status : null,
    data: body["data"] ?? null,
    dataBase64: nonEmptyString(body["data_base64"]) ?? null,
    contentType: nonEmptyString(body["content_type"]) ?? null,
    headers: isStringRecord(headers) ? headers : {},
    creditsCharged: typeof credits === "number" ? credits : 0,
  };
}

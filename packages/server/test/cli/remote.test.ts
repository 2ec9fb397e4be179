/** The commands' HTTP client against a real server: what it sends, repeats and reports. */
import { expect, it } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { RemoteError } from "../../src/cli/remote/error.ts";
import { createRemote, type Credential, type Remote } from "../../src/cli/remote/remote.ts";
import { closedUrl, startWebServer, type Scripted, type WebServer } from "./web-server.ts";

const GET = { method: "GET", path: "/thing" } as const;
const ACCOUNT = { email: "ada@example.com", name: "Ada" };

async function withServer(
  answers: readonly (Scripted | null)[],
  credential: Credential | null = null,
): Promise<{ server: WebServer; remote: Remote; waited: readonly number[] }> {
  const waited: number[] = [];
  const server = await startWebServer((_request, index) => answers[Math.min(index, answers.length - 1)] ?? null);
  const wait = (delay_ms: number): Promise<void> => {
    waited.push(delay_ms);
    return Promise.resolve();
  };
  const remote = createRemote({ server_url: server.url, credential, wait, timeout_ms: 2_000 });
  return { server, remote, waited };
}

const refused = async (promise: Promise<unknown>): Promise<RemoteError | CodedError> => {
  const error: unknown = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RemoteError || error instanceof CodedError) return error;
  throw new Error(`It was not refused: ${String(error)}`);
};

const credentialOf = (values: readonly string[]): Credential & { refusals: () => number } => {
  let refusals = 0;
  return {
    advice: "To sign in again: holdfast login.",
    header: () => Promise.resolve(["authorization", new Secret(`Bearer ${values[refusals] ?? "none"}`)]),
    refused: () => Promise.resolve(++refusals < values.length),
    refusals: () => refusals,
  };
};

it.each([429, 502, 503, 504])(
  "repeats a GET twice after %i, and waits as long as the server requests",
  async (status) => {
    const away = { status, headers: { "retry-after": "7" } };
    const { server, remote, waited } = await withServer([away, { status }, { body: ACCOUNT }]);
    expect(await remote.call(GET, "account")).toEqual(ACCOUNT);
    expect(waited).toEqual([7_000, 600]);
    expect(new Set(server.requests.map(({ headers }) => headers["x-request-id"])).size).toBe(1);
  },
);

it("gives up after three attempts, or at once if the wait would be minutes", async () => {
  const patient = await withServer([{ status: 503, body: { code: "overloaded", message: "Too much." } }]);
  const error = await refused(patient.remote.call(GET, "account"));
  expect([error.message, patient.server.requests.length]).toEqual(["Too much.", 3]);
  expect(error instanceof RemoteError && error.exit_code).toBe(6);
  const long = await withServer([{ status: 429, headers: { "retry-after": "600" } }]);
  await refused(long.remote.call(GET, "account"));
  expect([long.server.requests.length, long.waited]).toEqual([1, []]);
});

it("repeats PUT and DELETE, and never a POST or another status", async () => {
  const sent = async (method: "PUT" | "DELETE" | "POST", status: number): Promise<number> => {
    const { server, remote } = await withServer([{ status }]);
    await refused(remote.send({ method, path: "/thing", json: {} }));
    return server.requests.length;
  };
  expect(await Promise.all([sent("PUT", 503), sent("DELETE", 502), sent("POST", 503), sent("PUT", 500)])).toEqual([
    3, 3, 1, 1,
  ]);
});

it("renews a refused login once, and says what to do if that does not help", async () => {
  const good = credentialOf(["old", "new"]);
  const renewed = await withServer([{ status: 401 }, { body: ACCOUNT }], good);
  expect(await renewed.remote.call(GET, "account")).toEqual(ACCOUNT);
  expect(renewed.server.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer old", "Bearer new"]);

  const bad = credentialOf(["old", "new", "newer"]);
  const stuck = await withServer([{ status: 401, body: { code: "invalid_token", message: "Unauthorized" } }], bad);
  const error = await refused(stuck.remote.call(GET, "account"));
  expect(error.message).toBe("Unauthorized To sign in again: holdfast login.");
  expect([stuck.server.requests.length, error instanceof RemoteError && error.exit_code]).toEqual([2, 3]);
});

it("keeps the server's code, invalid fields, reconnect address and request id", async () => {
  const extra_data = {
    who_must_act: "builder",
    reconnect_url: "http://localhost/again",
    errors: [{ name: "scopes", message: "too many" }, "nonsense", { name: 1 }],
  };
  const body = { code: "code_of_tomorrow", message: "No.", retryable: true, extra_data };
  const { remote } = await withServer([{ status: 409, headers: { "x-request-id": "req_1" }, body }]);
  const error = await refused(remote.call(GET, "account"));
  expect(error instanceof RemoteError && [error.refusal, error.exit_code]).toEqual([
    {
      status: 409,
      code: "code_of_tomorrow",
      message: "No.",
      who_must_act: "builder",
      retryable: true,
      errors: [{ name: "scopes", message: "too many" }],
      reconnect_url: "http://localhost/again",
      request_id: "req_1",
    },
    5,
  ]);
});

it.each([
  ["a page", { status: 200, headers: { "content-type": "text/html" }, body: "<html>" }, /Is it a Holdfast server/],
  ["an empty body", { status: 200, body: "" }, /the reply is not an object/],
  ["another type", { status: 200, body: { ...ACCOUNT, name: 7 } }, /the reply\.name is not a string/],
  ["a redirect", { status: 302, headers: { location: "https://elsewhere.example/x" } }, /--server https:\/\/elsewhere/],
])("refuses %s, and follows no redirect", async (_name, answer, sentence) => {
  const { server, remote } = await withServer([answer], credentialOf(["secret-value"]));
  const error = await refused(remote.call(GET, "account"));
  expect(error instanceof CodedError && error.code).toBe("invalid_answer");
  expect(error.message).toMatch(sentence);
  expect(error.message).not.toContain("secret-value");
  expect(server.requests).toHaveLength(1);
});

it("names a server that is unreachable or does not respond", async () => {
  const closed = createRemote({ server_url: await closedUrl(), credential: null });
  const gone = await refused(closed.call(GET, "account"));
  expect(gone.message).toMatch(
    /^http:\/\/127\.0\.0\.1:\d+ is unreachable \(ECONNREFUSED\)\. Check that the server is running/,
  );
  const { server } = await withServer([null]);
  const slow = createRemote({ server_url: server.url, credential: null, timeout_ms: 30 });
  expect((await refused(slow.call(GET, "account"))).message).toMatch(/did not respond in time/);
});

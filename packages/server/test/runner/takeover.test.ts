/**
 * Function processes that were taken over: a program of an attacker in place of the bootstrap, with
 * its keys and its socket. What it sends must fail its own invocations only, and never the server.
 */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isAlive, openWorkbench, rejection, type Workbench } from "./harness.ts";

/** Reads the settings, listens where the bootstrap would, and reports `ready`. */
const BOOTSTRAP = `
  const readLine = () => {
    let text = "";
    const one = new Uint8Array(1);
    while (Deno.stdin.readSync(one) === 1 && one[0] !== 10) text += String.fromCharCode(one[0]);
    return text;
  };
  const settings = JSON.parse(readLine());
  const write = (text) => { const bytes = new TextEncoder().encode(text); for (let at = 0; at < bytes.length; at += Deno.stdout.writeSync(bytes.subarray(at))); };
  const frame = (line) => write("\\n@@" + settings.output_key + " " + line + "\\n");
  const listener = Deno.listen({ transport: "unix", path: settings.path });
  const decoder = new TextDecoder();
  const nextRequest = async () => {
    const connection = await listener.accept();
    const bytes = new Uint8Array(65536);
    let head = "";
    while (!head.includes("\\r\\n\\r\\n")) {
      const count = await connection.read(bytes);
      if (count === null) break;
      head += decoder.decode(bytes.subarray(0, count));
    }
    return { connection, head, id: /x-holdfast-invocation: (\\S+)/i.exec(head)?.[1] ?? "" };
  };
  const send = (connection, text) => connection.write(Uint8Array.from(text, (character) => character.charCodeAt(0)));
`;
/** Sends each request the same bytes, and reports the invocation as done. */
const answering = (response: string, close = true): string => `${BOOTSTRAP}
  frame("ready");
  for (;;) {
    const { connection, id } = await nextRequest();
    await send(connection, ${JSON.stringify(response)}).catch(() => {});
    ${close ? "connection.close();" : ""}
    frame("done " + id);
  }`;
const FILES = { "f.js": `Deno.serve(() => new Response("own"));` };

const open = (taken_over_by: string, limits = {}): Promise<Workbench> =>
  openWorkbench({ files: FILES, taken_over_by, limits });

const PATIENCE = { interval: 5, timeout: 15_000 };

/** Returns the error of a call. The server waits two seconds of its clock for an exit. */
async function failureOf(bench: Workbench): Promise<unknown> {
  let outcome: unknown;
  void rejection(bench.call("f")).then((error) => (outcome = error));
  await vi.waitFor(() => {
    if (bench.issued.length > 0) bench.advance(50);
    expect(outcome).toBeDefined();
  }, PATIENCE);
  return outcome;
}

describe("a response that is none", () => {
  it.each([
    ["switches protocols", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw"],
    ["is empty", ""],
    ["is garbage", "\0\x01garbage\r\n\r\n"],
    ["is of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "has a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ],
    ["has headers without end", `HTTP/1.1 200 OK\r\n${"X-A: 1\r\n".repeat(20_000)}`],
    ["has a NUL in a header", "HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n"],
    ["ends in its headers", "HTTP/1.1 200 OK\r\nX-A"],
    ["is only informational", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_000)],
  ])("fails the invocation if it %s, and ends it", async (_what, response) => {
    await using bench = await open(answering(response));
    expect(await failureOf(bench)).toMatchObject({ code: "function_error" });
    await bench.endedCount(1);
  });

  it("fails the invocation if it has a status that HTTP does not have", async () => {
    for (const status of ["000", "099", "600", "999"]) {
      await using bench = await open(answering(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`));
      expect(await failureOf(bench)).toMatchObject({ code: "function_error" });
    }
  });

  it.each(["handler", "load", "no_handler", "constructor", "", "x".repeat(5_000)])(
    "reports the failure %j of the bootstrap with a body of its own",
    async (failure) => {
      const body = JSON.stringify({
        code: "x".repeat(40_000),
        message: "\0".repeat(4_000),
        status: 99_999,
        reconnect_url: "javascript:1",
      });
      const head = `HTTP/1.1 500 X\r\nX-Holdfast-Failed: ${failure}\r\nContent-Length: ${body.length}\r\n\r\n`;
      await using bench = await open(answering(head + body));
      const error = await failureOf(bench);
      expect(error).toMatchObject({ code: expect.stringMatching(/^function_(error|invalid)$/) });
      expect(JSON.stringify(error)).not.toMatch(/javascript|xxxx/);
      await bench.endedCount(1);
    },
  );

  it("fails the invocation at the first of endless interim responses", async () => {
    await using bench = await open(`${BOOTSTRAP}
      frame("ready");
      const { connection } = await nextRequest();
      for (;;) await send(connection, "HTTP/1.1 103 Early Hints\\r\\nLink: </a>\\r\\n\\r\\n".repeat(1000));`);
    // The clock stands still, so that only the response can end the invocation.
    expect(await rejection(bench.call("f"))).toMatchObject({ code: "function_error" });
    await bench.endedCount(1);
  });

  it("that never ends is ended with the invocation's time", { tags: "all" }, async () => {
    await using bench = await open(answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart", false));
    const { status, body } = await bench.invoke("f");
    expect(status).toBe(200);
    body.resume();
    const failed = new Promise((resolve) => body.once("error", resolve));
    bench.advance(30_000);
    await failed;
    await bench.endedCount(1);
    expect(bench.ended).toHaveLength(1);
  });

  it("of any bytes fails its own invocation only", { tags: "all" }, async () => {
    const part = fc.constantFrom(
      ..."HTTP/1.1 |HTTP/1.0 |200|101|100|204|304|500| OK|\r\n|\n|\r|\0|Content-Length: |Transfer-Encoding: chunked|Connection: close|Upgrade: x|X-Holdfast-Failed: handler|Set-Cookie: a=b|Location: javascript:1|:|5|0|-1|ffffffffffffffffff|\r\n\r\n|body|é".split(
        "|",
      ),
    );
    const program = `${BOOTSTRAP}
      frame("ready");
      for (;;) {
        const { connection, head, id } = await nextRequest();
        await send(connection, atob(/x-bytes: (\\S*)/i.exec(head)[1])).catch(() => {});
        connection.close();
        frame("done " + id);
      }`;
    await using bench = await open(program, { function_process_starts: 1_000 });
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 16 }), async (parts) => {
        const bytes = Buffer.from(`HTTP/1.1 ${parts.join("")}`, "latin1").toString("base64");
        let outcome: unknown;
        void bench.call("f", { headers: { "x-bytes": bytes } }).then(
          (called) => (outcome = called),
          (error: unknown) => (outcome = error),
        );
        ended += 1;
        await vi.waitFor(() => {
          if (bench.issued.length === ended) bench.advance(50);
          expect(bench.ended).toHaveLength(ended);
        }, PATIENCE);
        expect(outcome).toBeInstanceOf(Object);
      }),
      { numRuns: 100 },
    );
  });
});

describe("lines of the bootstrap", () => {
  it("that report ready again neither open the socket again nor end the server", async () => {
    await using bench = await open(`${BOOTSTRAP}
      frame("ready");
      for (let count = 0; count < 5000; count += 1) frame("ready " + count);
      Deno.removeSync(settings.path);
      frame("ready /etc/passwd");
      Deno.symlinkSync("/tmp/other", settings.path);
      frame("ready");
      for (;;) {
        const { connection, id } = await nextRequest();
        await send(connection, "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 3\\r\\n\\r\\nown");
        frame("done " + id);
      }`);
    expect((await bench.call("f")).body).toBe("own");
    expect((await bench.call("f")).body).toBe("own");
  });

  it("that report ready without a socket end the process, and the call fails", async () => {
    await using bench = await open(
      `${BOOTSTRAP} Deno.removeSync(settings.path); frame("ready"); setInterval(() => {}, 1000);`,
    );
    expect(await failureOf(bench)).toMatchObject({ code: "function_error" });
    expect(isAlive(bench.processes[0]?.host_pid ?? null)).toBe(false);
  });

  it("that report ready at a link to a socket of the host end the process", async () => {
    await using bench = await open(
      `${BOOTSTRAP} Deno.removeSync(settings.path); Deno.symlinkSync("/run/docker.sock", settings.path); frame("ready"); setInterval(() => {}, 1000);`,
    );
    expect(await failureOf(bench)).toMatchObject({ code: "function_error" });
  });

  it("cannot end the invocation of another process", async () => {
    await using bench = await openWorkbench({
      files: {
        "f.js": `import { waitUntil } from "base44:runtime"; Deno.serve(() => { waitUntil(new Promise(() => {})); return new Response("open"); });`,
      },
    });
    await bench.call("f");
    const [open_invocation] = bench.issued;
    await using other = await open(`${BOOTSTRAP}
      frame("ready");
      for (;;) {
        const { connection, id } = await nextRequest();
        frame("done ${open_invocation?.invocation_id}");
        await send(connection, "HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n");
        frame("done " + id);
      }`);
    await other.call("f");
    expect(bench.ended).toEqual([]);
  });

  it("of any words leave the server and the invocation as they are", { tags: "all" }, async () => {
    const word = fc.constantFrom(
      "log",
      "done",
      "ready",
      "-",
      "0",
      "9",
      "1",
      "inv_x",
      "{}",
      '"x"',
      "\\u0000",
      "__proto__",
      "constructor",
      "null",
      "[]",
      "\r",
      "\t",
      "@@",
      "",
    );
    const lines = fc.sample(
      fc.array(word, { maxLength: 6 }).map((words) => words.join(" ")),
      { numRuns: 500, seed: 7 },
    );
    await using bench = await open(`${BOOTSTRAP}
      frame("ready");
      for (const line of ${JSON.stringify(lines)}) { frame(line); write("@@" + line + "\\n"); write("@@" + settings.output_key + line + "\\n"); }
      for (;;) {
        const { connection, id } = await nextRequest();
        await send(connection, "HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nown");
        frame("done " + id);
      }`);
    expect((await bench.call("f")).body).toBe("own");
    expect(bench.logs.every(({ request_id }) => request_id === null)).toBe(true);
  });
});

it(
  "connections of a taken over process to its proxy and its bridge can break off in any state",
  { tags: "all" },
  async () => {
    await using bench = await open(`${BOOTSTRAP}
    frame("ready");
    const { connection, id } = await nextRequest();
    const starts = ["", "GET ", "CONNECT a", "POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 100\\r\\n\\r\\nbody", "GET / HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz", "\\0\\0\\0", "CONNECT 10.0.0.1:443 HTTP/1.1\\r\\n\\r\\n"];
    for (const port of [4001, 4002]) {
      for (const start of starts) {
        const socket = await Deno.connect({ hostname: "127.0.0.1", port });
        await send(socket, start);
        socket.close();
      }
    }
    await send(connection, "HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nown");
    frame("done " + id);
    setInterval(() => {}, 1000);`);
    expect((await bench.call("f")).body).toBe("own");
  },
);

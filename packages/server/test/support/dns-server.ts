/** A name server for tests (RFC 1035 over UDP), and name resolution that asks only it. */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns";
import { onTestFinished } from "vitest";
import type { Resolve } from "../../src/net/checked-lookup.ts";

export interface DnsServer {
  /** Resolves a name by asking this server for its IPv4 addresses. */
  readonly resolve: Resolve;
  /** Returns how many questions it has answered. */
  queries(): number;
}

const HEADER_BYTES = 12;
/** A record: a pointer to the question's name, type A, class IN, a lifetime of 0 s, 4 bytes. */
const ANSWER = Buffer.from("c00c00010001000000000004", "hex");

/** Starts a server that gives its answers in turn, and the last one from then on. */
export async function startDnsServer(...answers: readonly (readonly string[])[]): Promise<DnsServer> {
  const socket = createSocket("udp4");
  let queries = 0;
  socket.on("message", (query, { address, port }) => {
    const addresses = answers[Math.min(queries, answers.length - 1)] ?? [];
    queries += 1;
    socket.send(reply(query, addresses), port, address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void socket.close());
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    queries: () => queries,
    resolve: (hostname, callback) =>
      resolver.resolve4(hostname, (error, addresses) =>
        callback(
          error,
          (addresses ?? []).map((address) => ({ address, family: 4 })),
        ),
      ),
  };
}

function reply(query: Buffer, addresses: readonly string[]): Buffer {
  // The question: labels up to an empty one, then type and class.
  const question = query.subarray(HEADER_BYTES, query.indexOf(0, HEADER_BYTES) + 5);
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => Buffer.concat([ANSWER, Buffer.from(address.split(".").map(Number))]));
  return Buffer.concat([header, question, ...records]);
}

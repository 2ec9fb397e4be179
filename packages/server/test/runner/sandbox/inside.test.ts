/** What a program that has taken over Deno finds in the sandbox, and what the kernel refuses it. */
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCell, type Cell } from "./harness.ts";

const stringsIn = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

let cell: Cell;
beforeAll(() => {
  cell = openCell();
});
afterAll(() => cell[Symbol.asyncDispose]());

describe("a program in the sandbox", () => {
  it("finds only the runtime, its own files and its scratch folder", async () => {
    const found = await cell.report(`
      const found = [];
      const walk = (folder) => {
        for (const { name, isDirectory } of Deno.readDirSync(folder)) {
          const path = (folder === "/" ? "" : folder) + "/" + name;
          if (path === "/proc" || path.startsWith("/tmp/deno")) continue;
          if (isDirectory) walk(path); else found.push(path);
        }
      };
      walk("/");
      report(found);`);
    const unexpected = stringsIn(found).filter(
      (path) => !/^\/(lib|lib64|usr\/lib)\/.*\.so[.\d]*$|^\/(lib|lib64)\/.*ld-linux[^/]*$/.test(path),
    );
    expect(unexpected.toSorted()).toEqual(
      [
        "/app/main.mjs",
        ...[
          "core",
          "fd",
          "full",
          "null",
          "ptmx",
          "pts/ptmx",
          "random",
          "stderr",
          "stdin",
          "stdout",
          "tty",
          "urandom",
          "zero",
        ].map((name) => `/dev/${name}`),
        ...["deno", "launcher.mjs", "node", "prlimit"].map((name) => `/runtime/${name}`),
      ].toSorted(),
    );
  });

  it("can write only to its scratch folder, and only up to its size", async () => {
    const written = await cell.report(
      `
      const wrote = [];
      for (const folder of ["/", "/app", "/dev", "/dev/shm", "/dev/pts", "/lib", "/lib64", "/runtime", "/proc", "/proc/sys", "/proc/self", "/tmp"]) {
        const { got } = await attempt(() => { Deno.writeTextFileSync(folder + "/file", "x"); return folder; });
        if (got) wrote.push(got);
        const made = await attempt(() => { Deno.mkdirSync(folder + "/folder"); return folder; });
        if (made.got) wrote.push(made.got + "/");
      }
      const full = await attempt(() => {
        const chunk = new Uint8Array(65536);
        for (let index = 0; index < 1000; index += 1) Deno.writeFileSync("/tmp/full-" + index, chunk);
      });
      let size = 0;
      for (const { name, isFile } of Deno.readDirSync("/tmp")) if (isFile) size += Deno.statSync("/tmp/" + name).size;
      report({ wrote, full: full.refused, fits: size <= 1048576 });`,
    );
    expect(written).toEqual({
      wrote: ["/tmp", "/tmp/"],
      full: expect.stringContaining("No space left on device"),
      fits: true,
    });
  });

  it("sees only its own processes, and no data of the server in them", async () => {
    process.env["HOLDFAST_TEST_CANARY"] = "canary-in-the-environment";
    const seen = await cell.report(`
      const text = (path) => { try { return Deno.readTextFileSync(path); } catch { return ""; } };
      const pids = [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => /^\\d+$/.test(name));
      report(pids.map((pid) => ({ command: text("/proc/" + pid + "/cmdline").split("\\0")[0], environment: text("/proc/" + pid + "/environ") })));`);
    expect(seen).toEqual([
      { command: "bwrap", environment: expect.stringMatching(/^PATH=[^\0]*\0(NODE_CHANNEL_[A-Z_]+=\w+\0)*$/) },
      { command: "/runtime/deno", environment: "HOME=/tmp\0DENO_DIR=/tmp/deno\0NO_COLOR=1\0" },
    ]);
    expect(JSON.stringify(seen)).not.toContain("canary");
  });

  it("has only its streams and its own files open, even if the server inherited others", async () => {
    // The listeners' sockets are the server's. Neither they nor the channel over which they went
    // stay open.
    const { process, line } = await cell.start(
      `
      const open = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).filter((name) => Number(name) > 2);
      report(open.map((name) => {
        try {
          const flags = parseInt(Deno.readTextFileSync("/proc/self/fdinfo/" + name).match(/flags:\\s*(\\d+)/)[1], 8);
          return (flags & 0o2000000) === 0 ? Deno.readLinkSync("/proc/self/fd/" + name) : null;
        } catch { return null; }
      }).filter(Boolean));
      hold();`,
      { listeners: ["api", "egress"] },
    );
    // Deno marks each file that it opens. A file without the mark came from outside.
    expect(JSON.parse(await line())).toEqual([]);
    process.kill();
  });
});

describe("the kernel refuses a program in the sandbox", () => {
  const EPERM = -1;
  const EAFNOSUPPORT = -97;
  const ENOSYS = -38;

  it.each([
    ["a new user namespace", `call("unshare", 0x10000000)`],
    ["a new network namespace", `call("unshare", 0x40000000)`],
    ["another namespace", `call("setns", 0, 0)`],
    ["a mount", `call("mount", bytes("none"), bytes("/tmp"), bytes("tmpfs"), 0, 0)`],
    ["to unmount", `call("umount2", bytes("/tmp"), 2)`],
    ["a mount by the newer calls", `call("fsopen", bytes("tmpfs"), 0)`],
    ["to move a mount", `call("move_mount", -100, bytes("/tmp"), -100, bytes("/app"), 0)`],
    ["to copy a mount", `call("open_tree", -100, bytes("/"), 1)`],
    ["another root", `call("chroot", bytes("/tmp"))`],
    ["to swap roots", `call("pivot_root", bytes("/tmp"), bytes("/tmp"))`],
    ["to trace process 1", `call("ptrace", 0x4206, 1, 0, 0)`],
    ["to be traced", `call("ptrace", 0, 0, 0, 0)`],
    ["to read the memory of process 1", `call("process_vm_readv", 1, 0, 0, 0, 0, 0)`],
    ["the files of process 1", `call("pidfd_getfd", 0, 0, 0)`],
    ["a kernel program", `call("bpf", 0, bytes(128), 128)`],
    ["performance counters", `call("perf_event_open", bytes(128), 0, -1, -1, 0)`],
    ["to handle page faults", `call("userfaultfd", 1)`],
    ["asynchronous calls", `call("io_uring_setup", 8, bytes(120))`],
    ["memory in no process", `call("memfd_create", bytes("x"), 0)`],
    ["secret memory", `call("memfd_secret", 0)`],
    ["shared memory", `call("shmget", 0, 1048576, 0o1600)`],
    ["a message queue", `call("msgget", 0, 0o1600)`],
    ["the keys of the server's session", `call("keyctl", 0, -3, 0)`],
    ["the keys of the user", `call("keyctl", 11, -4, bytes(200), 200)`],
    ["a new key", `call("add_key", bytes("user"), bytes("name"), bytes("value"), 5, -3)`],
    ["a key by its name", `call("request_key", bytes("user"), bytes("name"), 0, -3)`],
    ["a file by its number", `call("open_by_handle_at", -100, bytes(200), 0)`],
    ["the kernel's log", `call("syslog", 3, bytes(4096), 4096)`],
    ["another kernel", `call("kexec_load", 0, 0, 0, 0)`],
    ["a kernel module", `call("init_module", bytes(64), 64, bytes(""))`],
    ["a restart", `call("reboot", 0xfee1dead, 672274793, 0)`],
    ["another host name", `call("sethostname", bytes("x"), 1)`],
    ["another time", `call("settimeofday", bytes(16), 0)`],
    ["another personality", `call("personality", 0x0040000)`],
    ["groups", `call("setgroups", 0, 0)`],
    ["a better scheduling class", `call("sched_setscheduler", 0, 0, bytes(4))`],
    [
      "a higher limit of processes",
      `call("setrlimit", 6, (() => { const at = new BigUint64Array([9999n, 9999n]); globalThis.at = at; return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(at))); })())`,
    ],
    ["a raw socket", `call("socket", 2, 3, 1)`],
  ])("%s", async (_what, code) => {
    expect(await cell.report(`const { call, bytes } = libc(); report(${code});`)).toBe(EPERM);
  });

  it.each([
    ["packets", 17],
    ["netlink", 16],
    ["the hypervisor's sockets", 40],
    ["the kernel's ciphers", 38],
    ["Bluetooth", 31],
    ["an unknown family", 99],
  ])("a socket for %s", async (_what, family) => {
    expect(await cell.report(`report(libc().call("socket", ${family}, 1, 0));`)).toBe(EAFNOSUPPORT);
  });

  it("root's uid, and calls that are newer than its list", async () => {
    const results = await cell.report(
      `const { call } = libc(); report([call("setuid", 0), call("setgid", 0), call("newest")]);`,
    );
    // The uid does not exist in the sandbox.
    expect(results).toEqual([-22, -22, ENOSYS]);
  });
});

describe("the network of a program in the sandbox", () => {
  let web: Server;
  let abstract_socket: Server;
  let unix_socket: Server;
  const abstract = `\0holdfast-test-${process.pid}`;
  let path: string;
  let connections = 0;
  const count = (): void => void (connections += 1);
  beforeAll(async () => {
    web = createHttpServer((_request, response) => response.end("host"));
    web.on("connection", count);
    await new Promise<void>((resolve) => web.listen(0, "::", resolve));
    path = join(cell.sandbox.root, "host.sock");
    [abstract_socket, unix_socket] = [createServer(count), createServer(count)];
    await new Promise<void>((resolve) => abstract_socket.listen(abstract, resolve));
    await new Promise<void>((resolve) => unix_socket.listen(path, resolve));
  });
  afterAll(() => {
    web.close();
    abstract_socket.close();
    unix_socket.close();
  });

  it("reaches no address of the host", async () => {
    const address = web.address();
    const port = typeof address === "object" ? address?.port : 0;
    const results = await cell.report(
      `
      const tried = {};
      for (const hostname of ["127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", "::1", "::", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.0.1", "1.1.1.1"]) {
        tried["tcp " + hostname] = await attempt(async () => (await Deno.connect({ hostname, port: input.port })).close());
        tried["fetch " + hostname] = await attempt(async () => (await fetch("http://" + (hostname.includes(":") ? "[" + hostname + "]" : hostname) + ":" + input.port)).status);
      }
      tried.postgres = await attempt(async () => (await Deno.connect({ hostname: "127.0.0.1", port: 5432 })).close());
      tried.abstract = await attempt(async () => (await Deno.connect({ transport: "unix", path: input.abstract })).close());
      tried.unix = await attempt(async () => (await Deno.connect({ transport: "unix", path: input.path })).close());
      tried.udp = await attempt(async () => await Deno.listenDatagram({ transport: "udp", port: 0, hostname: "127.0.0.1" }).send(new Uint8Array(1), { transport: "udp", hostname: "10.0.0.1", port: 53 }));
      tried.vsock = await attempt(async () => (await Deno.connect({ transport: "vsock", cid: 1, port: 9999 })).close());
      report(Object.entries(tried).filter(([, result]) => !("refused" in result)).map(([name]) => name));`,
      { input: { port, abstract, path }, deno_flags: ["-A", "--unstable-net", "--unstable-vsock"] },
    );
    expect(results).toEqual([]);
    expect(connections).toBe(0);
  });

  it("has listeners that nothing outside reaches", async () => {
    const { line, process } = await cell.start(`
      const ports = ["127.0.0.1", "0.0.0.0", "::1", "::"].map((hostname) => String(Deno.listen({ hostname, port: 0 }).addr.port));
      report(ports);
      hold();`);
    const ports = stringsIn(JSON.parse(await line()));
    expect(ports).toHaveLength(4);
    for (const port of ports) {
      const refused = await fetch(`http://127.0.0.1:${port}`).then(
        () => "connected",
        (error: unknown) => (error instanceof Error ? String(Object(error.cause).code) : ""),
      );
      expect(refused).toBe("ECONNREFUSED");
    }
    process.kill();
  });
});

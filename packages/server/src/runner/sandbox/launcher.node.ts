/**
 * The first program in a sandbox, run by Node. Opens the loopback listeners inside the sandbox's
 * own network, hands their sockets to the server outside, and becomes the job's command.
 *
 * Only the processes of the sandbox can reach these sockets, and the code behind them runs outside,
 * so a function that takes over its process still meets the server's rules. After `execve` nothing
 * of this program is left: no open channel to the server, and no variable of its environment.
 */
import { closeSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";

/** Linux's flag of a file that `execve` closes. */
const O_CLOEXEC = 0o2000000;

interface Launch {
  readonly listeners: readonly { readonly name: string; readonly port: number }[];
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
}

const launch: Launch = JSON.parse(process.argv[2] ?? "");
for (const { name, port } of launch.listeners) await hand(name, await listen(port));
process.once("disconnect", become);
process.disconnect();

function become(): void {
  closeInherited();
  process.execve?.(launch.command[0], launch.command, launch.environment);
}

/**
 * Closes what the server inherited from its own parent and would pass on, such as a shell's lock
 * file or a socket of a service manager. Node marks what it opens itself.
 */
function closeInherited(): void {
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (fd > 2 && staysOpen(fd)) closeSync(fd);
  }
}

/** Reports whether the file survives `execve`. False if it is closed already. */
function staysOpen(fd: number): boolean {
  try {
    const [, flags = ""] = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) ?? [];
    return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false;
  }
}

function listen(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port, backlog: 128 }, () => resolve(server));
  });
}

function hand(name: string, server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(name, server, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

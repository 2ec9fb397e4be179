/** `holdfast demo`: everything at once, against simulated services (demo/run.ts). */
import type { Command } from "commander";
import type { DemoFlags } from "../demo/run.ts";

export function demoCommand(program: Command): void {
  program
    .command("demo")
    .description("run everything against simulated services, with nothing to register and nothing kept")
    .option("--auto", "connect the services and call a function, without a browser")
    .option("--once", "exit after that")
    .action(async (flags: DemoFlags) => (await import("../demo/run.ts")).runDemo(flags));
}

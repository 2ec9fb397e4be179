/** One sandbox for the bundler and the runner. Opened on first use. */
import type { Sandbox } from "./types.ts";

export interface SharedSandbox {
  /** Returns the same sandbox each time. Tries again after a failure. */
  open(): Promise<Sandbox>;
  /** Closes the sandbox if it is open. */
  close(): Promise<void>;
}

export function shareSandbox(openSandbox: () => Promise<Sandbox>): SharedSandbox {
  let opened: Promise<Sandbox> | null = null;
  const open = (): Promise<Sandbox> => {
    opened ??= openSandbox().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  return {
    open,
    close: async () => {
      const sandbox = await opened?.catch(() => null);
      await sandbox?.close();
    },
  };
}

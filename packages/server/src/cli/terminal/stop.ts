/** Commands that run until they are stopped close what they hold before they exit. */

interface Closable {
  close(): Promise<void>;
}

/**
 * Resolves at the first signal from now on. Without this, a signal would end the process at once.
 */
export function stopSignal(): Promise<void> {
  return new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}

/** Closes the server at the first signal. A second signal ends the process at once. */
export async function untilStopped(server: Closable, signal = stopSignal()): Promise<void> {
  await signal;
  const abort = (): never => process.exit(130);
  process.once("SIGTERM", abort);
  process.once("SIGINT", abort);
  await server.close();
  process.off("SIGTERM", abort);
  process.off("SIGINT", abort);
}

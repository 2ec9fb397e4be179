/** Commands that stay end in order: what they hold is put away first. */

interface Closable {
  close(): Promise<void>;
}

/** The first signal from here on. Without it the process would end on the spot, with nothing put away. */
export function stopSignal(): Promise<void> {
  return new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}

/** Ends in order at the first signal, at once at the second. */
export async function untilStopped(server: Closable, signal = stopSignal()): Promise<void> {
  await signal;
  const abort = (): never => process.exit(130);
  process.once("SIGTERM", abort);
  process.once("SIGINT", abort);
  await server.close();
  process.off("SIGTERM", abort);
  process.off("SIGINT", abort);
}

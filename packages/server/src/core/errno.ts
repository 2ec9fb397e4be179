/** Returns the `code` of a system error, such as "ENOENT". Null for any other error. */
export function errnoOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

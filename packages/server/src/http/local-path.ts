/**
 * Where a page may lead on to after signing in: one leading slash, then nothing that a browser could read as another host.
 * Of queries only a device code's, which a command line's link brings along (RFC 8628 §3.3.1): without it the person would have
 * to type it after all.
 */
const LOCAL_PATH = /^\/(?:[A-Za-z0-9_~.-][A-Za-z0-9_~./-]{0,1023}|device\?user_code=[A-Za-z-]{1,16})?$/;

/** `/` in place of anything else. */
export function localPath(given: unknown): string {
  return typeof given === "string" && LOCAL_PATH.test(given) ? given : "/";
}

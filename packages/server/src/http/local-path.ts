/** Where a page may lead on to after signing in (R11): one leading slash, then nothing that a browser could read as another host. */
const LOCAL_PATH = /^\/(?:[A-Za-z0-9_~.-][A-Za-z0-9_~./-]{0,1023})?$/;

/** `/` in place of anything else. */
export function localPath(given: unknown): string {
  return typeof given === "string" && LOCAL_PATH.test(given) ? given : "/";
}

/**
 * Paths of this server's pages that links can lead on to. Each is one leading slash, then nothing
 * that a browser could read as another host.
 */

const LOCAL_PATH = /^\/(?:[A-Za-z0-9_~.-][A-Za-z0-9_~./-]{0,1023})?$/;
/** The link that a command line prints (RFC 8628 §3.3.1), so that its code survives the sign-in. */
const DEVICE_LINK = /^\/device\?user_code=[A-Za-z-]{1,16}$/;

/** Reports whether a path is local and has no query. */
export function isLocalPath(path: string): boolean {
  return LOCAL_PATH.test(path);
}

/** Returns where to go after signing in: a local path or a device link, otherwise `/`. */
export function localPath(path: unknown): string {
  return typeof path === "string" && (isLocalPath(path) || DEVICE_LINK.test(path)) ? path : "/";
}

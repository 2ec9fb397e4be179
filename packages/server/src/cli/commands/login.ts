/** `holdfast login|logout|whoami`: the user of this machine at a server on another machine. */
import type { Command } from "commander";
import { loadClientSettings } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { CLIENT_ID, deviceLogin } from "../remote/device-login.ts";
import { createSession, withLock } from "../remote/login-session.ts";
import { createLoginStore, type LoginStore } from "../remote/login-store.ts";
import { createRemote } from "../remote/remote.ts";
import { keyId, parseServerUrl, SERVER_OF_LOGIN } from "../remote/target.ts";
import { createOutput, printResult } from "../terminal/output.ts";
import { wait } from "../terminal/wait.ts";

interface Flags {
  readonly json?: boolean;
  readonly server?: string;
  readonly localOnly?: boolean;
}

const DEFAULT_SERVER = "http://localhost:4180";

export function loginCommands(program: Command): void {
  program
    .command("login")
    .description("sign in to a server on another machine: prints a code to enter on its page")
    .option(
      "--server <address>",
      `the server (default: the last one, else ${DEFAULT_SERVER}; env: HOLDFAST_SERVER_URL)`,
    )
    .action(login);
  program
    .command("logout")
    .description("sign out on the server and on this machine")
    .option(...SERVER_OF_LOGIN)
    .option("--local-only", "sign out here even if the server is unreachable, where the login stays until it expires")
    .action(logout);
  program
    .command("whoami")
    .description("show the account that commands use, and its server")
    .option(...SERVER_OF_LOGIN)
    .action(whoami);
}

async function login(flags: Flags): Promise<void> {
  const { settings, store } = open();
  const server_url = parseServerUrl(flags.server ?? settings.server_url ?? store.current() ?? DEFAULT_SERVER);
  const output = createOutput(flags.json === true);
  const signed_in = await deviceLogin({
    remote: createRemote({ server_url, credential: null }),
    clock: systemClock,
    wait,
    show: ({ user_code, verification_uri }) =>
      output.note(
        `To sign in to ${server_url}, open this page in a browser, on any device:\n\n  ${verification_uri}\n\nand enter the code  ${user_code}\n\nWaiting for your confirmation on that page (Ctrl-C to stop) …`,
      ),
  });
  store.save(server_url, signed_in);
  const { email, name } = signed_in;
  const warning =
    settings.api_key === null
      ? ""
      : "\nHOLDFAST_API_KEY is set: commands use it instead of this login. Unset it to use the login.";
  output.result({ server_url, email, name }, `Signed in to ${server_url} as ${name} (${email}).${warning}`);
}

async function logout(flags: Flags): Promise<void> {
  const { settings, store } = open();
  const server_url = serverOf(flags, settings.server_url, store);
  const stored = store.find(server_url);
  if (stored === null)
    throw new CodedError("not_signed_in", { message: `You are not signed in to ${server_url} on this machine.` });
  await withLock(store, stored, systemClock, wait, async () => {
    // Another command may have renewed the login while this one waited for the lock.
    const { refresh_token } = store.find(server_url) ?? stored;
    const form = { token: refresh_token.expose(), token_type_hint: "refresh_token", client_id: CLIENT_ID };
    if (flags.localOnly !== true) await revoke(server_url, form);
    store.remove(server_url);
  });
  printResult(flags, { status: "signed_out", server_url }, `Signed out of ${server_url}.`);
}

/** RFC 7009. A server that no longer knows the token also replies 200. */
async function revoke(server_url: string, form: Readonly<Record<string, string>>): Promise<void> {
  const remote = createRemote({ server_url, credential: null });
  try {
    await remote.send({ method: "POST", path: "/oauth/revoke", form });
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== "server_unreachable") throw error;
    const message = `${error.message} You are still signed in. To delete the login here anyway: holdfast logout --local-only`;
    throw new CodedError("server_unreachable", { message });
  }
}

async function whoami(flags: Flags): Promise<void> {
  const { settings, store } = open();
  if (settings.api_key !== null) {
    const api_key_id = keyId(settings.api_key);
    const server_url = flags.server ?? settings.server_url ?? store.current();
    const where = server_url === null ? "" : ` at ${parseServerUrl(server_url)}`;
    return printResult(flags, { api_key_id, server_url }, `The API key ${api_key_id} of HOLDFAST_API_KEY${where}.`);
  }
  const server_url = serverOf(flags, settings.server_url, store);
  const anonymous = createRemote({ server_url, credential: null });
  const session = createSession({ store, remote: anonymous, clock: systemClock, wait });
  const { email, name } = await anonymous
    .withCredential(session)
    .call({ method: "GET", path: "/oauth/userinfo" }, "account");
  printResult(flags, { server_url, email, name }, `${name} (${email}) at ${server_url}`);
}

function open() {
  const settings = loadClientSettings();
  return { settings, store: createLoginStore(settings.config_dir) };
}

function serverOf(flags: Flags, variable: string | null, store: LoginStore): string {
  const named = flags.server ?? variable ?? store.current();
  if (named === null) throw new CodedError("not_signed_in");
  return parseServerUrl(named);
}

/** `holdfast login|logout|whoami`: this person at a server that runs elsewhere. */
import type { Command } from "commander";
import { loadClientSettings } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { CLIENT_ID, deviceLogin } from "../remote/device-login.ts";
import { createSession, withLock } from "../remote/login-session.ts";
import { createLoginStore, type LoginStore } from "../remote/login-store.ts";
import { createOutput } from "../terminal/output.ts";
import { createRemote } from "../remote/remote.ts";
import { keyId, parseServerUrl } from "../remote/target.ts";
import { wait } from "../terminal/wait.ts";

interface Flags {
  readonly json?: boolean;
  readonly server?: string;
  readonly localOnly?: boolean;
}

const DEFAULT_SERVER = "http://localhost:4180";
const SERVER_OF_LOGIN = [
  "--server <address>",
  "the server (default: the one signed in to last; env: HOLDFAST_SERVER_URL)",
] as const;

export function loginCommands(program: Command): void {
  program
    .command("login")
    .description("sign in to a server that runs elsewhere: shows a code to enter on its page")
    .option(
      "--server <address>",
      `the server (default: the last one, else ${DEFAULT_SERVER}; env: HOLDFAST_SERVER_URL)`,
    )
    .action(async (flags: Flags) => {
      const { settings, store } = open();
      const server_url = parseServerUrl(flags.server ?? settings.server_url ?? store.current() ?? DEFAULT_SERVER);
      const output = createOutput(flags.json === true);
      const remote = createRemote({ server_url, credential: null });
      const login = await deviceLogin({
        remote,
        clock: systemClock,
        wait,
        show: ({ user_code, verification_uri }) =>
          output.note(
            `To sign in to ${server_url}, open this page in a browser, on any device:\n\n  ${verification_uri}\n\nand enter the code  ${user_code}\n\nWaiting for it to be confirmed there (Ctrl-C gives up) …`,
          ),
      });
      store.save(server_url, login);
      const { email, name } = login;
      const warning =
        settings.api_key === null
          ? ""
          : "\nHOLDFAST_API_KEY is set: commands use it instead of this login. Unset it to use the login.";
      output.result({ server_url, email, name }, `Signed in to ${server_url} as ${name} (${email}).${warning}`);
    });

  program
    .command("logout")
    .description("end the login, on the server and on this machine")
    .option(...SERVER_OF_LOGIN)
    .option("--local-only", "forget it here even if the server cannot be told; there it lasts until it expires")
    .action(async (flags: Flags) => {
      const { settings, store } = open();
      const server_url = serverOf(flags, settings.server_url, store);
      const login = store.find(server_url);
      if (login === null) throw notSignedIn(server_url);
      await withLock(store, login, systemClock, wait, async () => {
        // Another command may have renewed it while this one waited.
        const { refresh_token } = store.find(server_url) ?? login;
        const form = { token: refresh_token.expose(), token_type_hint: "refresh_token", client_id: CLIENT_ID };
        if (flags.localOnly !== true) await revoke(server_url, form);
        store.remove(server_url);
      });
      createOutput(flags.json === true).result({ status: "signed_out", server_url }, `Signed out of ${server_url}.`);
    });

  program
    .command("whoami")
    .description("show who commands act as, and on which server")
    .option(...SERVER_OF_LOGIN)
    .action(async (flags: Flags) => {
      const { settings, store } = open();
      const output = createOutput(flags.json === true);
      if (settings.api_key !== null) {
        const api_key_id = keyId(settings.api_key);
        const server_url = flags.server ?? settings.server_url ?? store.current();
        const where = server_url === null ? "" : ` at ${parseServerUrl(server_url)}`;
        return output.result({ api_key_id, server_url }, `The API key ${api_key_id} of HOLDFAST_API_KEY${where}.`);
      }
      const server_url = serverOf(flags, settings.server_url, store);
      const anonymous = createRemote({ server_url, credential: null });
      const session = createSession({ store, remote: anonymous, clock: systemClock, wait });
      const remote = anonymous.withCredential(session);
      const { email, name } = await remote.call({ method: "GET", path: "/oauth/userinfo" }, "account");
      output.result({ server_url, email, name }, `${name} (${email}) at ${server_url}`);
    });
}

/** RFC 7009. A server that has forgotten the token answers 200 as well. */
async function revoke(server_url: string, form: Readonly<Record<string, string>>): Promise<void> {
  const remote = createRemote({ server_url, credential: null });
  try {
    await remote.send({ method: "POST", path: "/oauth/revoke", form });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "server_unreachable") throw error;
    const message = `${error.message} You are still signed in. To forget the login here all the same: holdfast logout --local-only`;
    throw new ApiError("server_unreachable", { message });
  }
}

function open() {
  const settings = loadClientSettings();
  return { settings, store: createLoginStore(settings.config_dir) };
}

function serverOf(flags: Flags, variable: string | null, store: LoginStore): string {
  const named = flags.server ?? variable ?? store.current();
  if (named === null) throw new ApiError("not_signed_in");
  return parseServerUrl(named);
}

const notSignedIn = (server_url: string): ApiError =>
  new ApiError("not_signed_in", { message: `Nobody is signed in to ${server_url} on this machine.` });

/**
 * `holdfast users list|role` and `holdfast users issuers add|list|remove --app APP`: an app's users
 * with their roles, and the issuers of their tokens.
 */
import { Argument, Option, type Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { APP_ROLES, type AppRole } from "../../core/roles.ts";
import { withManagedApp } from "../remote/management.ts";
import type { ListedIssuer, ListedUser, ManagementApi, NewIssuer } from "../remote/management-api.ts";
import { withApp, type TargetFlags } from "../remote/target.ts";
import { readSecret } from "../terminal/input.ts";
import { createOutput, day, printResult, table } from "../terminal/output.ts";

type Flags = TargetFlags & { readonly json?: boolean; readonly app: string };
type AddFlags = Flags & {
  readonly audience: readonly string[];
  readonly jwksUrl?: string;
  readonly verifyUrl?: string;
  readonly secretStdin?: boolean;
  readonly skipCheck?: boolean;
};

const HOW =
  "--jwks-url, --secret-stdin and --verify-url are different ways to verify tokens. Use one of them, or none for OIDC discovery.";

export function userCommands(program: Command): void {
  const users = program
    .command("users")
    .description("list the users of an app, set their roles, and manage the issuers of their tokens");
  withApp(users.command("list")).description("list the users of an app").action(list);
  withApp(users.command("role"))
    .addArgument(new Argument("<user>", "the user's id, which users list shows"))
    .addArgument(new Argument("<role>", "the role that the app's functions see").choices(APP_ROLES))
    .description("set a user's role in the app, which base44.auth.me() returns to its functions")
    .action(setRole);
  const issuers = users.command("issuers").description("add, list and remove the issuers of users' tokens");
  withApp(issuers.command("add <issuer>"))
    .description("accept the tokens of an issuer (their iss claim), or replace its settings")
    .addOption(
      new Option("--audience <aud>", "the aud claim of tokens for this app (repeat it for several)")
        .argParser((value: string, previous: readonly string[]) => [...previous, value])
        .default([], "none"),
    )
    .option("--jwks-url <url>", "the issuer's public keys (default: found by OIDC discovery)")
    .option("--secret-stdin", "read the secret that the issuer signs with (HS256) from standard input")
    .option("--verify-url <url>", "verify opaque tokens by a request to this URL")
    .option("--skip-check", "add the issuer without trying it first, because it is not up yet")
    .action(add);
  withApp(issuers.command("list")).description("list the issuers of an app").action(listIssuers);
  withApp(issuers.command("remove <id>")).description("remove an issuer and its users").action(remove);
}

async function add(issuer: string, flags: AddFlags): Promise<void> {
  const added = await addedIssuer(issuer, flags);
  const stored = await withManagedApp(flags, (api, app) => api.putIssuer(app, added));
  const output = createOutput(flags.json === true);
  output.result(stored, `${flags.app} now accepts the tokens of ${stored.issuer} (${stored.id}).`);
  if (stored.kind === "verify")
    output.note(
      "The URL must refuse tokens issued for another app. Otherwise that app's users are users of this app too.",
    );
}

async function addedIssuer(issuer: string, flags: AddFlags): Promise<NewIssuer> {
  const { audience: audiences, jwksUrl, verifyUrl, secretStdin, skipCheck: skip_check = false } = flags;
  const url = jwksUrl ?? verifyUrl ?? null;
  const ways = [jwksUrl, verifyUrl, secretStdin].filter((way) => way !== undefined);
  if (ways.length > 1) throw new CodedError("usage", { message: HOW });
  if (secretStdin === true) {
    const example = `printf %s "$SECRET" | holdfast users issuers add ${issuer} --app ${flags.app} --audience AUD --secret-stdin`;
    return { issuer, kind: "secret", url, audiences, secret: await readSecret(null, example), skip_check };
  }
  const kind = jwksUrl !== undefined ? "jwks" : verifyUrl !== undefined ? "verify" : "oidc";
  return { issuer, kind, url, audiences, secret: null, skip_check };
}

const VERIFIED_BY: Readonly<Record<string, string>> = {
  oidc: "OIDC discovery",
  jwks: "public keys",
  secret: "shared secret",
  verify: "verify URL",
};

async function listIssuers(flags: Flags): Promise<void> {
  const issuers = await withManagedApp(flags, (api, app) => api.listIssuers(app));
  const rows = issuers.map(({ id, issuer, kind, url, audiences, updated_at }: ListedIssuer) => [
    id,
    issuer,
    VERIFIED_BY[kind] ?? kind,
    url ?? "-",
    audiences.join(" ") || "-",
    day(updated_at),
  ]);
  const empty = `The app has no issuer, so it has no users. Add one: holdfast users issuers add ISSUER --app ${flags.app} --audience AUD`;
  printResult(flags, { issuers }, table(["id", "issuer", "verified by", "url", "audience", "changed"], rows, empty));
}

async function remove(id: string, flags: Flags): Promise<void> {
  await withManagedApp(flags, (api, app) => api.removeIssuer(app, id));
  printResult(flags, { status: "removed", id }, `Removed ${id} and its users.`);
}

async function list(flags: Flags): Promise<void> {
  const users = await withManagedApp(flags, allUsers);
  const rows = users.map((user) => [
    user.id,
    user.email ?? "-",
    user.full_name ?? "-",
    user.issuer_id,
    user.subject,
    user.role ?? "by membership",
    day(user.last_seen_at),
  ]);
  const empty = "The app has no users yet. A user appears after the first request with an issuer's token.";
  printResult(
    flags,
    { users },
    table(["user", "email", "name", "issuer", "subject", "role", "last seen"], rows, empty),
  );
}

async function setRole(id: string, role: AppRole, flags: Flags): Promise<void> {
  const user = await withManagedApp(flags, (api, app) => api.setUserRole(app, id, role));
  printResult(flags, user, `${id} now has the role ${role}. Functions see it from their next call.`);
}

async function allUsers(api: ManagementApi, app: string): Promise<readonly ListedUser[]> {
  const users: ListedUser[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.listUsers(app, cursor);
    users.push(...page.users);
    cursor = page.next;
  } while (cursor !== null);
  return users;
}

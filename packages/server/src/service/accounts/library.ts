/**
 * The account library, better-auth. No other file imports it. It creates and checks passwords
 * (scrypt) and sessions, and keeps organizations, which are our workspaces, and their members. Its
 * HTTP interface is unreachable: routes and pages go through accounts.ts. It sends no requests and
 * no mail. Loaded at its first use, off the path of tokens, since loading it takes longer than the
 * server's start.
 */
import { createAdapterFactory } from "better-auth/adapters";
import { betterAuth } from "better-auth/minimal";
import { createAccessControl } from "better-auth/plugins/access";
import { bearer } from "better-auth/plugins/bearer";
import { organization } from "better-auth/plugins/organization";
import type { Limits } from "../../core/limits.ts";
import { createLibraryAdapter, type AdapterDeps } from "./library-adapter.ts";
import { newLibraryId } from "./library-rows.ts";
import { ADDRESS_HEADER, PASSWORD_LENGTH } from "./password-rules.ts";

/** The library stores a session's use at most once in this time. */
const TOUCH_EVERY_S = 60;

export interface LibraryDeps extends AdapterDeps {
  readonly limits: Limits;
  /** The key of the library's own signatures. */
  readonly secret: string;
  readonly public_url: string;
}

export type AccountLibrary = ReturnType<typeof createAccountLibrary>;

export function createAccountLibrary(deps: LibraryDeps) {
  const { limits, secret, public_url } = deps;
  return betterAuth({
    secret,
    baseURL: public_url,
    database: createDatabase(deps),
    telemetry: { enabled: false },
    // Its messages contain email addresses. Failures come back as errors.
    logger: { disabled: true },
    // rate-limits.ts counts in the database, for all nodes together.
    rateLimit: { enabled: false },
    emailAndPassword: {
      enabled: true,
      minPasswordLength: PASSWORD_LENGTH.least,
      maxPasswordLength: PASSWORD_LENGTH.most,
    },
    session: { expiresIn: limits.session_idle_ms / 1_000, updateAge: TOUCH_EVERY_S },
    advanced: {
      database: { generateId: ({ model }) => newLibraryId(model) },
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
    },
    plugins: [bearer(), workspacesPlugin(limits)],
  });
}

function createDatabase(deps: AdapterDeps) {
  return createAdapterFactory({
    config: {
      adapterId: "holdfast",
      supportsBooleans: false,
      supportsJSON: false,
      supportsNumericIds: false,
      // A transaction would stay open while the library waits, and block every other write.
      transaction: false,
    },
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library promises its callers any shape of row.
    adapter: () => createLibraryAdapter(deps) as never,
  });
}

/** The library needs only the four names. access/authorization.ts decides what each role allows. */
function workspacesPlugin(limits: Limits) {
  const access = createAccessControl({ workspace: ["use"] });
  const role = access.newRole({ workspace: ["use"] });
  return organization({
    ac: access,
    roles: { owner: role, admin: role, editor: role, viewer: role },
    creatorRole: "owner",
    membershipLimit: limits.members_per_workspace,
  });
}

/**
 * The login endpoints of a server, as in the contract: device codes, tokens with single-use refresh
 * tokens, userinfo, revocation. As on the real server, using a refresh token twice ends its login.
 */
import { randomBytes } from "node:crypto";
import { startWebServer, type RecordedRequest, type Scripted, type WebServer } from "./web-server.ts";

export interface DeviceServer extends WebServer {
  /** Decides as the user does on the page. */
  decide(decision: "approve" | "deny" | "expire"): void;
  /** Makes the next poll fail with `slow_down`. */
  slowDown(): void;
  /** Refuses the access tokens issued so far. */
  endAccessTokens(): void;
  /** Ends the login, as a revocation on the dashboard does. */
  endLogin(): void;
  readonly refreshes: () => number;
  readonly reuses: () => number;
  readonly revoked: readonly string[];
  readonly device_code: string;
}

const BASE = { device_code: "dev-0123456789", user_code: "BCDF-GHJK", interval: 1, expires_in: 600 };
const refusal = (error: string): Scripted => ({ status: 400, body: { error } });

export interface DeviceOptions {
  /** The lifetime of access tokens. */
  readonly expires_in_s?: number;
  /** Delays the token endpoint, so that other commands arrive meanwhile. */
  readonly refresh?: () => Promise<void>;
}

export async function startDeviceServer({
  expires_in_s = 3600,
  refresh = () => Promise.resolve(),
}: DeviceOptions = {}): Promise<DeviceServer> {
  let decision: "approve" | "deny" | "expire" | null = null;
  let slow_down = false;
  let current: { access: string; refresh: string } | null = null;
  const spent = new Set<string>();
  const counts = { refreshes: 0, reuses: 0 };
  const revoked: string[] = [];

  const issue = (): Scripted => {
    current = { access: randomBytes(12).toString("hex"), refresh: randomBytes(12).toString("hex") };
    const { access, refresh: refresh_token } = current;
    const body = { access_token: access, token_type: "Bearer", refresh_token, expires_in: expires_in_s };
    return { body };
  };

  async function token(form: URLSearchParams): Promise<Scripted> {
    if (form.get("client_id") !== "holdfast_cli") return refusal("invalid_client");
    if (form.get("grant_type") === "refresh_token") {
      const given = form.get("refresh_token") ?? "";
      await refresh();
      if (current?.refresh === given) {
        spent.add(given);
        counts.refreshes += 1;
        return issue();
      }
      if (spent.has(given)) counts.reuses += 1;
      current = null;
      return refusal("invalid_grant");
    }
    if (form.get("device_code") !== BASE.device_code) return refusal("invalid_grant");
    if (slow_down) {
      slow_down = false;
      return refusal("slow_down");
    }
    if (decision === null) return refusal("authorization_pending");
    if (decision === "approve") return issue();
    return refusal(decision === "deny" ? "access_denied" : "expired_token");
  }

  async function answer({ method, path, headers, body }: RecordedRequest): Promise<Scripted> {
    switch (`${method} ${path}`) {
      case "POST /oauth/device/code":
        return { body: { ...BASE, verification_uri: `http://${headers.host ?? ""}/device` } };
      case "POST /oauth/token":
        return token(new URLSearchParams(body));
      case "GET /oauth/userinfo":
        if (current === null || headers.authorization !== `Bearer ${current.access}`)
          return { status: 401, body: { message: "Unauthorized", code: "invalid_token" } };
        return { body: { email: "ada@example.com", name: "Ada" } };
      case "POST /oauth/revoke":
        revoked.push(new URLSearchParams(body).get("token") ?? "");
        current = null;
        return { body: "" };
      default:
        return { status: 404, body: { message: "There is nothing here.", code: "route_not_found" } };
    }
  }

  const server = await startWebServer(answer);
  return {
    ...server,
    device_code: BASE.device_code,
    decide: (next) => void (decision = next),
    slowDown: () => void (slow_down = true),
    endAccessTokens: () => void (current = current === null ? null : { ...current, access: "not issued" }),
    endLogin: () => void (current = null),
    refreshes: () => counts.refreshes,
    reuses: () => counts.reuses,
    revoked,
  };
}

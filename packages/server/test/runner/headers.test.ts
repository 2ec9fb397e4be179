/** Which headers pass between a caller and a function, as pure functions. */
import { describe, expect, it } from "vitest";
import { requestHeaders } from "../../src/runner/headers.ts";
import { responseHeaders } from "../../src/runner/response-headers.ts";

const URL = "https://connect.example/api/apps/app_a/functions/shop/pay?x=1";
const SERVER = {
  "content-security-policy": "sandbox allow-scripts allow-forms allow-popups",
  "x-content-type-options": "nosniff",
};

describe("a function's response", () => {
  it("keeps the headers that describe it", () => {
    const sent = {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="\u00fc.csv"',
      "content-language": "de",
      "content-encoding": "gzip",
      "cache-control": "no-store",
      etag: '"1"',
      "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT",
      "retry-after": "1",
      vary: "accept",
      "accept-ranges": "bytes",
      "content-range": "bytes 0-1/2",
      "content-length": "2",
      "x-total-count": "7",
      "x-robots-tag": "noindex",
      "x-ratelimit-remaining": "1",
    };
    expect(responseHeaders(sent, URL)).toEqual({ headers: { ...sent, ...SERVER }, dropped: [] });
  });

  it.each([
    "set-cookie",
    "set-cookie2",
    "clear-site-data",
    "strict-transport-security",
    "service-worker-allowed",
    "nel",
    "report-to",
    "reporting-endpoints",
    "content-security-policy",
    "content-security-policy-report-only",
    "refresh",
    "link",
    "sourcemap",
    "alt-svc",
    "public-key-pins",
    "expect-ct",
    "permissions-policy",
    "feature-policy",
    "document-policy",
    "origin-agent-cluster",
    "cross-origin-opener-policy",
    "cross-origin-embedder-policy",
    "cross-origin-resource-policy",
    "timing-allow-origin",
    "referrer-policy",
    "accept-ch",
    "critical-ch",
    "use-as-dictionary",
    "no-vary-search",
    "speculation-rules",
    "supports-loading-mode",
    "activate-storage-access",
    "observe-browsing-topics",
    "attribution-reporting-register-source",
    "sec-session-registration",
    "set-login",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "upgrade",
    "via",
    "warning",
    "age",
    "expires",
    "surrogate-control",
    "x-holdfast-failed",
    "x-holdfast",
    "x-request-id",
    "x-frame-options",
    "x-accel-redirect",
    "x-accel_redirect",
    "x-holdfast_failed",
    "x-accel-expires",
    "x-sendfile",
    "x-send-file",
    "x-sendfile-temporary",
    "x-lighttpd-send-file",
    "x-lighttpd-send-tempfile",
    "x-litespeed-location",
    "x-reproxy-url",
    "x-reproxy-file",
    "x-envoy-immediate-health-check-fail",
    "x-middleware-rewrite",
    "x-middleware-next",
    "x-middleware-override-headers",
    "x-middleware-request-authorization",
    "x-middleware-set-cookie",
    "x_middleware_rewrite",
    "x-nextjs-rewrite",
    "x-invoke-path",
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-rewrite-url",
    "x_rewrite_url",
    "x-apache-sendfile",
    "x-uwsgi-sendfile",
    "x-forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-prefix",
    "x-forwarded-user",
    "x_forwarded_for",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-true-client-ip",
    "x-remote-addr",
    "x-arr-ssl",
    "x-surrogate-control",
    "x-esi",
    "x-content-type-options",
    "x-content-security-policy",
    "x-webkit-csp",
    "x-webkit-csp-report-only",
    "x-xss-protection",
    "x-dns-prefetch-control",
    "x-download-options",
    "x-ua-compatible",
    "x-permitted-cross-domain-policies",
    "x-sourcemap",
  ])("loses %s, and the log names it", (name) => {
    expect(responseHeaders({ [name]: "1", "x-kept": "1" }, URL)).toEqual({
      headers: { "x-kept": "1", ...SERVER },
      dropped: [name],
    });
  });

  it.each(["x-originality", "x-rewritten", "x-client-id", "x-real-name", "x-arrived", "x-sender", "x-middlewares"])(
    "keeps %s, which no server acts on",
    (name) => {
      expect(responseHeaders({ [name]: "1" }, URL)).toEqual({ headers: { [name]: "1", ...SERVER }, dropped: [] });
    },
  );

  it("loses its CORS headers without a log, because the server sends its own", () => {
    const sent = { "access-control-allow-origin": "https://a.example", "access-control-allow-credentials": "true" };
    expect(responseHeaders({ ...sent, date: "x", connection: "close" }, URL)).toEqual({ headers: SERVER, dropped: [] });
  });

  it.each(["a\r\nset-cookie: x=1", "a\nb", "a\0b", "a\u0001", "\u20ac", "a\u007f", "a\u0100"])(
    "loses a header with the value %j",
    (value) => {
      expect(responseHeaders({ "x-a": value }, URL)).toEqual({ headers: SERVER, dropped: ["x-a"] });
    },
  );

  it.each([
    ["https://shop.example/a?b#c", "https://shop.example/a?b#c"],
    ["http://shop.example", "http://shop.example/"],
    ["/done", "https://connect.example/done"],
    ["../list?x", "https://connect.example/api/apps/app_a/functions/list?x"],
    ["?page=2", "https://connect.example/api/apps/app_a/functions/shop/pay?page=2"],
    // Every client reads these like //host. So does the parser, and its result is unambiguous.
    ["//shop.example/a", "https://shop.example/a"],
    ["\\\\shop.example", "https://shop.example/"],
    ["/\\shop.example", "https://shop.example/"],
    ["https:\\\\shop.example", "https://shop.example/"],
    ["https:shop", "https://connect.example/api/apps/app_a/functions/shop/shop"],
    ["http:shop", "http://shop/"],
    ["https://shop.example/\u00fc", "https://shop.example/%C3%BC"],
    ["\thttps://shop.example", "https://shop.example/"],
  ])("redirects to %j as %s", (value, expected) => {
    expect(responseHeaders({ location: value }, URL).headers["location"]).toBe(expected);
  });

  it.each([
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "\tjavascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://connect.example/x",
    "view-source:https://connect.example",
    "intent://x#Intent;end",
    "ftp://shop.example/",
    "https://user@shop.example/",
    "https://user:password@shop.example/",
    "//connect.example@shop.example/",
    "https://:password@shop.example/",
    "https://",
    "https://shop.example:99999/",
    "https://a b/",
  ])("never redirects to %j", (value) => {
    expect(responseHeaders({ location: value }, URL)).toEqual({ headers: SERVER, dropped: ["location"] });
  });

  it.each([
    "multipart/x-mixed-replace; boundary=x",
    "Multipart/X-Mixed-Replace",
    "multipart/mixed; boundary=x",
    "text/plain, multipart/x-mixed-replace; boundary=x",
  ])("cannot be %s, whose parts have headers of their own, cookies among them", (value) => {
    expect(responseHeaders({ "content-type": value }, URL)).toEqual({ headers: SERVER, dropped: ["content-type"] });
    expect(responseHeaders({ "content-type": "multipart/form-data; boundary=x" }, URL).dropped).toEqual([]);
  });
});

const PLATFORM = {
  app_id: "app_a",
  server_url: "http://127.0.0.1:1",
  function_token: "hff_x",
  user_token: null,
  key: "key",
  invocation_id: "inv_1",
  url: URL,
  prefix: "/api/apps/app_a/functions/shop/pay",
  client_address: "203.0.113.7",
};

describe("a function's request", () => {
  it("has the server's values for its public URL and its caller, not the caller's", () => {
    const claimed = [
      "forwarded",
      "x-forwarded",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "x-forwarded-port",
      "x-forwarded-prefix",
      "x-forwarded-server",
      "x-forwarded-client-cert",
      "x-forwarded-user",
      "x-original-url",
      "x-original-host",
      "x-original-forwarded-for",
      "x-rewrite-url",
      "x-host",
      "x-real-ip",
      "x-client-ip",
      "x-azure-clientip",
      "x-appengine-user-ip",
      "x-proxyuser-ip",
      "client-ip",
      "x_forwarded_for",
      "x-forwarded_for",
      "x_real_ip",
      "x_holdfast_key",
      "x-cluster-client-ip",
      "true-client-ip",
      "fastly-client-ip",
      "fly-client-ip",
      "cf-connecting-ip",
      "cf-connecting-ipv6",
      "x-envoy-external-address",
      "x-holdfast-key",
      "x-holdfast-url",
      "x-holdfast-anything",
    ];
    const from = Object.fromEntries(claimed.map((name) => [name, "evil"]));
    expect(requestHeaders({ ...from, "x-signature": "kept" }, PLATFORM)).toEqual({
      "x-signature": "kept",
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-host": "connect.example",
      "x-forwarded-proto": "https",
      "x-forwarded-prefix": "/api/apps/app_a/functions/shop/pay",
      "base44-app-id": "app_a",
      "base44-service-authorization": "Bearer hff_x",
      "base44-api-url": "http://127.0.0.1:1",
      "x-holdfast-key": "key",
      "x-holdfast-invocation": "inv_1",
      "x-holdfast-url": URL,
    });
    expect(requestHeaders({}, { ...PLATFORM, client_address: null })).not.toHaveProperty("x-forwarded-for");
  });
});

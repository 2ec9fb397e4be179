/** Calls a JSON API with a connection's token. Throws an error with the API's own text. */
export async function callJson(url: string, token: string, init: RequestInit = {}): Promise<any> {
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${token}`);
  if (init.body !== undefined && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");
  const response = await fetch(url, { ...init, headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${new URL(url).hostname} returned ${response.status}: ${text}`);
  return text === "" ? null : JSON.parse(text);
}

export const postJson = (url: string, token: string, body: unknown, headers: Record<string, string> = {}) =>
  callJson(url, token, { method: "POST", body: JSON.stringify(body), headers });

export const unauthorized = () => Response.json({ error: "Unauthorized" }, { status: 401 });

/** Turns an error of a function into its reply, and logs it. */
export function failed(name: string, error: any): Response {
  console.error(`${name}:`, error.message);
  return Response.json({ error: error.message, code: error.code ?? null }, { status: error.status ?? 500 });
}

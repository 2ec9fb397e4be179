/** HTTP replies in a form that is easy to check. */

export type Json = Readonly<Record<string, unknown>>;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body if it is a JSON object, else `{}`. */
  readonly json: Json;
  /** `code` of an error body. Null without one. */
  readonly code: string | null;
  /** `extra_data` of an error body, else `{}`. */
  readonly extra: Json;
}

export async function readReply(response: Response): Promise<Reply> {
  const text = await response.text();
  const json = asObject(parse(text));
  const { code, extra_data } = json;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json,
    code: typeof code === "string" ? code : null,
    extra: asObject(extra_data),
  };
}

/** Returns the value if it is a plain object, else `{}`. */
export function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

export function asList(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(asObject) : [];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * A small file API over Dropbox, for `base44.functions.fetch`. Streams both ways.
 *
 * `PUT files/NAME` stores the body, `GET files/NAME` returns it, for signed-in users. `POST
 * files/shout` returns the body in capitals, while it arrives.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.50";

const CONTENT = "https://content.dropboxapi.com/2/files";

export default {
  async fetch(req: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(req.url);
    const name = decodeURIComponent(pathname.split("/functions/files/")[1] ?? "");
    if (req.method === "POST" && name === "shout") return shout(req);

    const base44 = createClientFromRequest(req);
    if (!(await base44.auth.isAuthenticated())) return Response.json({ error: "Unauthorized" }, { status: 401 });
    const { accessToken } = await base44.asServiceRole.connectors.getConnection("dropbox");
    if (req.method === "PUT") return put(accessToken, name, req);
    if (req.method === "GET") return get(accessToken, name, searchParams.has("download"));
    return new Response(null, { status: 405, headers: { Allow: "GET, PUT, POST" } });
  },
};

const argsOf = (args: Record<string, string>) => ({ "Dropbox-API-Arg": JSON.stringify(args) });

async function put(token: string, name: string, req: Request): Promise<Response> {
  const stored = await fetch(`${CONTENT}/upload`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/octet-stream",
      ...argsOf({ path: `/files/${name}`, mode: "overwrite" }),
    },
    body: req.body,
  });
  const { size, message } = await stored.json();
  if (!stored.ok) return Response.json({ error: message }, { status: 502 });
  return Response.json({ name, size }, { status: 201 });
}

async function get(token: string, name: string, is_download: boolean): Promise<Response> {
  const file = await fetch(`${CONTENT}/download`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, ...argsOf({ path: `/files/${name}` }) },
  });
  if (!file.ok) return Response.json({ error: `There is no ${name}.` }, { status: 404 });
  const disposition = is_download ? { "Content-Disposition": `attachment; filename="${name}"` } : {};
  return new Response(file.body, { headers: { "Content-Type": "text/plain", "X-Store": "dropbox", ...disposition } });
}

function shout(req: Request): Response {
  const capitals = new TransformStream<string, string>({
    transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
  });
  const body = req.body
    ?.pipeThrough(new TextDecoderStream())
    .pipeThrough(capitals)
    .pipeThrough(new TextEncoderStream());
  return new Response(body, { headers: { "Content-Type": "text/plain" } });
}

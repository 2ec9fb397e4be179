/**
 * Stores an uploaded file in Google Drive, finds it there, and downloads it again.
 *
 * Body: a form with `file` and `note`. Reply: `{ "id", "name", "bytes", "found" }`. For signed-in
 * users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.12";
import { callJson, failed, unauthorized } from "../../shared/http.ts";

const FILES = "https://www.googleapis.com/drive/v3/files";
const UPLOAD = "https://www.googleapis.com/upload/drive/v3/files?uploadType=multipart&fields=id,name";

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    if (!(await base44.auth.isAuthenticated())) return unauthorized();

    const form = await req.formData();
    const file = form.get("file");
    if (!(file instanceof File)) return Response.json({ error: "Send a file." }, { status: 400 });

    const accessToken = await base44.asServiceRole.connectors.getAccessToken("googledrive");
    const { id, name } = await upload(accessToken, file, String(form.get("note") ?? ""));
    const query = new URLSearchParams({ q: `name = '${name}' and trashed = false`, fields: "files(id,name)" });
    const { files } = await callJson(`${FILES}?${query}`, accessToken);
    const download = await fetch(`${FILES}/${id}?alt=media`, { headers: { Authorization: `Bearer ${accessToken}` } });
    const bytes = (await download.arrayBuffer()).byteLength;
    return Response.json({ id, name, bytes, found: files.length });
  } catch (error) {
    return failed("upload-receipt", error);
  }
});

/** Sends metadata and content in one request, as `multipart/related`. */
async function upload(token: string, file: File, description: string): Promise<any> {
  const boundary = `receipt-${crypto.randomUUID()}`;
  const metadata = JSON.stringify({ name: file.name, mimeType: file.type, description });
  const body = new Blob([
    `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${metadata}\r\n`,
    `--${boundary}\r\nContent-Type: ${file.type}\r\n\r\n`,
    file,
    `\r\n--${boundary}--`,
  ]);
  const headers = { "Content-Type": `multipart/related; boundary=${boundary}` };
  return callJson(UPLOAD, token, { method: "POST", headers, body });
}

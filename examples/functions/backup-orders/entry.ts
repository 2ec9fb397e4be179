/**
 * Adds an order to Airtable, stores all new orders as CSV in Dropbox, and checks the backup.
 *
 * Body: `{ "name", "quantity" }`. Reply: `{ "orders", "file", "sha256", "verified" }`. Secret:
 * AIRTABLE_BASE_ID. For signed-in users.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createClientFromRequest } from "npm:@base44/sdk@0.8.44";
import { callJson, failed, postJson, unauthorized } from "../../shared/http.ts";
import { toCsv } from "./csv.ts";

const CONTENT = "https://content.dropboxapi.com/2/files";
const FOLDER = "/backups";

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    if (!(await base44.auth.isAuthenticated())) return unauthorized();

    const { name, quantity } = await req.json();
    const airtable = await base44.asServiceRole.connectors.getConnection("airtable");
    const orders = `https://api.airtable.com/v0/${Deno.env.get("AIRTABLE_BASE_ID")}/Orders`;
    await postJson(orders, airtable.accessToken, { records: [{ fields: { Name: name, Quantity: quantity } }] });
    const { records } = await callJson(`${orders}?pageSize=100`, airtable.accessToken);

    const csv = Buffer.from(toCsv(records.map(({ fields }) => [fields.Name, fields.Quantity])));
    const dropbox = await base44.asServiceRole.connectors.getConnection("dropbox");
    const path = `${FOLDER}/orders.csv`;
    await content("upload", dropbox.accessToken, { path, mode: "overwrite" }, csv);
    const listed = await postJson("https://api.dropboxapi.com/2/files/list_folder", dropbox.accessToken, {
      path: FOLDER,
    });
    const copy = await content("download", dropbox.accessToken, { path });
    const sha256 = digestOf(csv);
    return Response.json({
      orders: records.length,
      files: listed.entries.map((entry) => entry.name),
      sha256,
      verified: digestOf(Buffer.from(await copy.arrayBuffer())) === sha256,
    });
  } catch (error) {
    return failed("backup-orders", error);
  }
});

const digestOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** Dropbox's content endpoints take their arguments in a header. */
async function content(method: string, token: string, args: Record<string, string>, body?: Buffer): Promise<Response> {
  const headers = { Authorization: `Bearer ${token}`, "Dropbox-API-Arg": JSON.stringify(args) };
  const type = body === undefined ? {} : { "Content-Type": "application/octet-stream" };
  const response = await fetch(`${CONTENT}/${method}`, { method: "POST", headers: { ...headers, ...type }, body });
  if (!response.ok) throw new Error(`Dropbox returned ${response.status} for ${method}: ${await response.text()}`);
  return response;
}

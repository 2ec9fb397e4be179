/**
 * Creates a document, a presentation and a page in Notion for a report.
 *
 * Body: `{ "title" }`. Reply: `{ "document", "presentation", "page", "pages" }`. Secret:
 * NOTION_DATABASE_ID. For admins of the app.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.40";
import { secrets } from "base44:runtime";
import { failed, postJson } from "../../shared/http.ts";

const DOCUMENTS = "https://docs.googleapis.com/v1/documents";
const PRESENTATIONS = "https://slides.googleapis.com/v1/presentations";
const NOTION = "https://api.notion.com/v1";
const NOTION_VERSION = { "Notion-Version": "2022-06-28" };

export default async function (req) {
  try {
    const base44 = createClientFromRequest(req);
    const user = await base44.auth.me().catch(() => null);
    if (user?.role !== "admin") return Response.json({ error: "Forbidden" }, { status: 403 });

    const { title } = await req.json();
    const { connectors } = base44.asServiceRole;
    const docs = await connectors.getConnection("googledocs");
    const slides = await connectors.getConnection("googleslides");
    const notion = await connectors.getConnection("notion");

    const document = await postJson(DOCUMENTS, docs.accessToken, { title });
    const presentation = await postJson(PRESENTATIONS, slides.accessToken, { title });
    const database_id = secrets.get("NOTION_DATABASE_ID");
    const properties = { Name: { title: [{ text: { content: title } }] } };
    const page = await postJson(
      `${NOTION}/pages`,
      notion.accessToken,
      { parent: { database_id }, properties },
      NOTION_VERSION,
    );
    const filter = { property: "Name", title: { equals: title } };
    const { results } = await postJson(
      `${NOTION}/databases/${database_id}/query`,
      notion.accessToken,
      { filter },
      NOTION_VERSION,
    );
    return Response.json({
      document: document.documentId,
      presentation: presentation.presentationId,
      page: page.id,
      pages: results.length,
    });
  } catch (error) {
    return failed("publish-report", error);
  }
}

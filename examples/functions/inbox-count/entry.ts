/**
 * Counts the messages of an Outlook inbox without any SDK: the headers of the request are enough.
 *
 * Body: any. Reply: `{ "app_id", "authorization", "order", "messages", "echo" }`.
 */
export default () => new Response("Deno.serve wins over the default export.", { status: 500 });

Deno.serve({ port: 3000, onListen: () => console.log("listening") }, async (req) => {
  const appId = req.headers.get("Base44-App-Id");
  const api = req.headers.get("Base44-Api-Url");
  const service = req.headers.get("Base44-Service-Authorization") ?? "";
  if (!/^Bearer \S+$/.test(service)) return Response.json({ error: "No service token" }, { status: 500 });

  const reply = await fetch(`${api}/api/apps/${appId}/external-auth/tokens/outlook`, {
    headers: { Authorization: service, "X-App-Id": appId ?? "" },
  });
  if (!reply.ok) return new Response(reply.body, { status: reply.status });
  const { access_token } = await reply.json();
  const inbox = await fetch("https://graph.microsoft.com/v1.0/me/messages?$select=subject&$top=50", {
    headers: { Authorization: `Bearer ${access_token}` },
  });
  const { value } = await inbox.json();
  return Response.json({
    app_id: appId,
    authorization: req.headers.get("Authorization"),
    order: req.headers.get("X-Order"),
    messages: value.length,
    echo: await req.json(),
  });
});

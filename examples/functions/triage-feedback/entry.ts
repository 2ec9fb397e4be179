/**
 * Files a user's feedback: the text into a GitHub repository, an issue there, and one in Linear.
 *
 * Body: `{ "id", "title", "text" }`. Reply: `{ "file", "issue", "linear", "open" }`. Secrets:
 * GITHUB_REPO, LINEAR_TEAM_ID. For signed-in users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.53";
import { callJson, failed, postJson, unauthorized } from "../../shared/http.ts";

const GITHUB = "https://api.github.com";
const LINEAR = "https://api.linear.app/graphql";
const CREATE = `mutation Create($input: IssueCreateInput!) {
  issueCreate(input: $input) { success issue { id identifier title } }
}`;
const LIST = `query { issues(first: 50) { nodes { id identifier title } } }`;

export default {
  async fetch(req: Request): Promise<Response> {
    try {
      const base44 = createClientFromRequest(req);
      const user = await base44.auth.me().catch(() => null);
      if (!user) return unauthorized();
      const feedback = await req.json();
      const { connectors } = base44.asServiceRole;
      const github = await connectors.getConnection("github");
      const linear = await connectors.getConnection("linear");
      return Response.json({
        ...(await fileInGitHub(github.accessToken, feedback, user.email)),
        ...(await fileInLinear(linear.accessToken, feedback)),
      });
    } catch (error) {
      return failed("triage-feedback", error);
    }
  },
};

async function fileInGitHub(token: string, { id, title, text }: any, author: string) {
  const repos = await callJson(`${GITHUB}/user/repos?per_page=100`, token);
  const repo = repos.find(({ full_name }) => full_name === Deno.env.get("GITHUB_REPO"));
  if (repo === undefined) throw new Error("The repository of GITHUB_REPO is not yours.");
  const path = `feedback/${id}.md`;
  await callJson(`${GITHUB}/repos/${repo.full_name}/contents/${path}`, token, {
    method: "PUT",
    body: JSON.stringify({ message: `Feedback ${id}`, content: btoa(text) }),
  });
  const stored = await callJson(`${GITHUB}/repos/${repo.full_name}/contents/${path}`, token);
  const issue = await postJson(`${GITHUB}/repos/${repo.full_name}/issues`, token, {
    title,
    body: `${text}\n\nFrom ${author}, in ${path}`,
    labels: ["feedback"],
  });
  return { file: stored.path, issue: issue.number };
}

async function fileInLinear(token: string, { title, text }: any) {
  const input = { teamId: Deno.env.get("LINEAR_TEAM_ID"), title, description: text };
  const created = await postJson(LINEAR, token, { query: CREATE, variables: { input } });
  if (created.errors) throw new Error(`Linear: ${created.errors[0].message}`);
  const { data } = await postJson(LINEAR, token, { query: LIST });
  const titles = data.issues.nodes.map((issue) => issue.title);
  return { linear: created.data.issueCreate.issue.identifier, listed: titles.includes(title) };
}

/** API.md: the list of the API calls that keep state. `npx vitest -u` writes it anew. */
import { expect, it } from "vitest";
import { apiCalls } from "./calls.ts";

const NAMES: Readonly<Record<string, string>> = {
  github: "GitHub",
  hubspot: "HubSpot",
  microsoft: "Microsoft",
};

const titleOf = (vendor: string): string => NAMES[vendor] ?? `${vendor.charAt(0).toUpperCase()}${vendor.slice(1)}`;

function page(): string {
  const parts = [
    "# API calls",
    "The API calls that the simulator answers at the vendors that keep state, from its routes. Each requires a live access token, " +
      "and one of the vendor's scopes for it. [README](README.md#api-calls) says what is simplified.",
  ];
  for (const [vendor, calls] of Map.groupBy(apiCalls, (call) => call.vendor)) {
    const places = Map.groupBy(calls, ({ name }) => name.slice(name.indexOf(" ") + 1));
    const lines = Array.from(places, ([place, same]) => `${place}  ${same.map(({ route }) => route.method).join(" ")}`);
    parts.push(`## ${titleOf(vendor)}`, ["```text", ...lines, "```"].join("\n"));
  }
  return `${parts.join("\n\n")}\n`;
}

it("API.md lists the calls of the routes", async () => {
  await expect(page()).toMatchFileSnapshot("../../API.md");
});

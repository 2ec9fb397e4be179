/** Text out of pages of this server, for who reads them without a browser. Knows no other entities than those that it writes. */
const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
  "&amp;": "&",
};

export const decode = (text: string): string =>
  text.replaceAll(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity] ?? entity);

export const titleOf = (page: string): string => decode(/<title>([^<]*)<\/title>/.exec(page)?.[1] ?? "no page");

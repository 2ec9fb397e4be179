import { expect, it, vi } from "vitest";
import { resolveApp } from "../../src/cli/remote/app.ts";
import { appNamed, type NamedApp } from "../../src/core/names.ts";

const SHOP: NamedApp = { id: "app_00000000000000000001", name: "shop" };
const BLOG: NamedApp = { id: "app_00000000000000000002", name: "blog" };
/** Named like the id of another app. */
const THIEF: NamedApp = { id: "app_00000000000000000003", name: SHOP.id };

it("finds an app by its id, or by a unique name", () => {
  expect(appNamed([SHOP, BLOG], SHOP.id)).toBe(SHOP);
  expect(appNamed([SHOP, BLOG], "blog")).toBe(BLOG);
});

it("prefers an id to a name, in any order of the apps", () => {
  for (const apps of [
    [SHOP, THIEF],
    [THIEF, SHOP],
  ])
    expect(appNamed(apps, SHOP.id)).toBe(SHOP);
});

it("finds an app by its name in any composition of its letters", () => {
  const cafe = { ...SHOP, name: "caf\u00e9" };
  expect(appNamed([cafe, BLOG], "cafe\u0301")).toBe(cafe);
});

it("refuses a name of several apps, and lists their ids", () => {
  const twin = { ...BLOG, name: "shop" };
  expect(() => appNamed([SHOP, twin], "shop")).toThrow(
    expect.objectContaining({
      code: "app_ambiguous",
      message: `Several apps are named shop. Use the id of one: ${SHOP.id}, ${twin.id}.`,
    }),
  );
  const many = Array.from({ length: 12 }, (_app, n) => ({ id: `id_${n}`, name: "shop" }));
  expect(() => appNamed(many, "shop")).toThrow(/id_9, and 2 more\.$/);
});

it.each(["nowhere", "SHOP", " shop", "", "__proto__"])("finds no app named %o", (name) => {
  expect(() => appNamed([SHOP, BLOG], name)).toThrow(
    expect.objectContaining({ code: "not_found", message: expect.stringContaining(`There is no app ${name}.`) }),
  );
});

it("requests the list of apps for a name only", async () => {
  const listApps = vi.fn<() => Promise<{ id: string; name: string; created_at: number }[]>>(() =>
    Promise.resolve([{ ...SHOP, created_at: 0 }]),
  );
  expect(await resolveApp({ listApps }, BLOG.id)).toBe(BLOG.id);
  expect(listApps).not.toHaveBeenCalled();
  expect(await resolveApp({ listApps }, "shop")).toBe(SHOP.id);
});

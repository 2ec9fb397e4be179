/** Which addresses count as global: the ranges of the IANA registries, at both of their ends. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isGlobalAddress, isLoopbackAddress } from "../../src/net/address.ts";

/** Written from RFC 6890 and its successors: first and last address of each range. */
const REFUSED_IPV4 = [
  ["0.0.0.0", "0.255.255.255"],
  ["10.0.0.0", "10.255.255.255"],
  ["100.64.0.0", "100.127.255.255"],
  ["127.0.0.0", "127.255.255.255"],
  ["169.254.0.0", "169.254.255.255"],
  ["172.16.0.0", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.88.99.0", "192.88.99.255"],
  ["192.168.0.0", "192.168.255.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.255"],
  ["224.0.0.0", "255.255.255.255"],
] as const;

const numberOf = (ipv4: string): number => ipv4.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const ipv4Of = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
const isRefused = (value: number): boolean =>
  REFUSED_IPV4.some(([first, last]) => value >= numberOf(first) && value <= numberOf(last));

const anyIpv4 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
const text = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(":");

describe("an IPv4 address", () => {
  it("is global exactly outside the special ranges", () => {
    fc.assert(
      fc.property(anyIpv4, (value) => {
        expect(isGlobalAddress(ipv4Of(value))).toBe(!isRefused(value));
      }),
    );
  });

  it("is refused at both ends of each range, and accepted beside them unless another range follows", () => {
    for (const [first, last] of REFUSED_IPV4) {
      expect([first, last].map((address) => isGlobalAddress(address))).toEqual([false, false]);
      for (const beside of [numberOf(first) - 1, numberOf(last) + 1]) {
        if (beside < 0 || beside > 2 ** 32 - 1) continue;
        expect([ipv4Of(beside), isGlobalAddress(ipv4Of(beside))]).toEqual([ipv4Of(beside), !isRefused(beside)]);
      }
    }
  });

  it("is refused inside an IPv6 address, however it is embedded", () => {
    const embedded = (value: number): readonly string[] => {
      const [high, low] = [(value >>> 16).toString(16), (value & 0xffff).toString(16)];
      return [
        `::ffff:${ipv4Of(value)}`,
        `::${ipv4Of(value)}`,
        `64:ff9b::${ipv4Of(value)}`,
        `64:ff9b:1::${ipv4Of(value)}`,
        `2002:${high}:${low}::1`,
        `2001:0:${high}:${low}::1`,
      ];
    };
    fc.assert(
      fc.property(anyIpv4, (value) => {
        expect(embedded(value).filter((ip) => isGlobalAddress(ip))).toEqual([]);
      }),
    );
  });
});

describe("an IPv6 address", () => {
  it.each([
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "100::1",
    "fc00::1",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001:10::1",
    "2001:1ff::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "1fff::1",
  ])("%s is refused", (address) => expect(isGlobalAddress(address)).toBe(false));

  it.each([
    "2000::1",
    "2001:200::1",
    "2606:4700::6810:84e5",
    "2a00:1450:4001::8a",
    "2003::1",
    "3ffe::1",
    "3fff:1000::1",
  ])("%s is global", (address) => expect(isGlobalAddress(address)).toBe(true));

  it("is global only in 2000::/3", () => {
    fc.assert(
      fc.property(groups, ([first = 0, ...rest]) => {
        const is_outside = first >> 13 !== 1;
        expect(is_outside && isGlobalAddress(text([first, ...rest]))).toBe(false);
      }),
    );
  });

  it("has one result for every spelling", () => {
    fc.assert(
      fc.property(groups, (parts) => {
        const short = new URL(`http://[${text(parts)}]/`).hostname.slice(1, -1);
        expect(isGlobalAddress(short)).toBe(isGlobalAddress(text(parts)));
      }),
    );
  });
});

describe("other text", () => {
  it.each(["", "localhost", "example.com", "0x7f.1", "127.1", "2130706433", "010.0.0.1", "8.8.8.8 ", "8.8.8.8:53"])(
    "%j is no address",
    (address) => expect([isGlobalAddress(address), isLoopbackAddress(address)]).toEqual([false, false]),
  );

  it.each(["fe80::1%eth0", "2606:4700::1%lo", "[2606:4700::1]"])("%s with a zone or brackets is refused", (address) =>
    expect([isGlobalAddress(address), isLoopbackAddress(address)]).toEqual([false, false]),
  );
});

describe("a loopback address", () => {
  it("is in 127.0.0.0/8 or ::1, and never global", () => {
    fc.assert(
      fc.property(anyIpv4, (value) => {
        expect(isLoopbackAddress(ipv4Of(value))).toBe(value >>> 24 === 127);
      }),
    );
    expect(["::1", "0:0:0:0:0:0:0:1"].map((address) => isLoopbackAddress(address))).toEqual([true, true]);
    expect(["::", "::2", "::ffff:127.0.0.1", "fe80::1"].some((address) => isLoopbackAddress(address))).toBe(false);
    expect(isGlobalAddress("127.0.0.1")).toBe(false);
  });
});

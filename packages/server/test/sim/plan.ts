/** What a seed stands for: the provider's kind, how long it goes on, and what goes wrong. */
import type { Plan } from "./episode.ts";
import { drawProfile } from "./faults.ts";
import { createRandom } from "./random.ts";

export function planOf(seed: number): Plan {
  // Not the numbers that the run itself draws.
  const random = createRandom(seed ^ 0x5eed);
  return {
    seed,
    rotation: random.pick(["none", "grace", "grace", "strict", "strict", "strict"]),
    grace_ms: random.pick([60_000, 120_000, 600_000]),
    access_ms: random.pick([90_000, 150_000, 300_000]),
    connections: random.pick([1, 1, 1, 2]),
    faulty_ms: random.between(60_000, 160_000),
    profile: drawProfile(random),
    ages: [0, 0.7, 0.8, 1.2],
    ends_early: true,
  };
}

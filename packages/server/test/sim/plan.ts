/** The plan that a seed stands for: the kind of provider, the duration and the faults. */
import type { Plan } from "./episode.ts";
import { drawProfile } from "./faults.ts";
import { createRandom } from "./random.ts";

export function planOf(seed: number): Plan {
  // A seed of its own, so that the run itself draws other numbers.
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

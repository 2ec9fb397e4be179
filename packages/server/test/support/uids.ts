/**
 * Uids for the functions of this test process. The limit on threads counts those of a uid on the
 * whole machine, so that test processes with the same uids would refuse each other's functions.
 */
const PER_PROCESS = 1_000;
const first = 1_800_000_000 + (process.pid % 100_000) * PER_PROCESS;

export const TEST_UIDS = { first, last: first + PER_PROCESS - 1 };

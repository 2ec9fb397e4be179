/**
 * The system call filter of a sandbox, which the kernel runs before each call (seccomp, a classic
 * BPF program). Namespaces hide files, processes and addresses. The filter refuses calls that reach
 * anything else, and parts of the kernel that no function needs.
 */
import { SandboxFailure } from "./types.ts";

/** The number of a call on each processor. Null: it does not have the call. */
type Numbers = readonly [x64: number, arm64: number | null];

const DENIED: Readonly<Record<string, Numbers>> = {
  // Keyrings have no namespace. A job inherits the server's keyring, and shares it with other apps.
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // A session of its own would have a share of the processors like the server's.
  setsid: [112, 157],
  // Memory that belongs to no process, so that no limit counts it.
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  shmget: [29, 194],
  msgget: [68, 186],
  semget: [64, 190],
  // Other processes. A traced process 1 could be stopped.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  // Parts of the kernel in which most escapes were found.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  // Namespaces, mounts and files by number.
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  open_tree: [428, 428],
  move_mount: [429, 429],
  mount_setattr: [442, 442],
  open_by_handle_at: [304, 265],
  fanotify_init: [300, 262],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  // The machine.
  acct: [163, 89],
  swapon: [167, 224],
  swapoff: [168, 225],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  reboot: [169, 142],
  syslog: [103, 116],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  personality: [135, 92],
  modify_ldt: [154, null],
  iopl: [172, null],
  ioperm: [173, null],
  mbind: [237, 235],
  set_mempolicy: [238, 237],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
};
const SOCKET: Numbers = [41, 198];
/** Unix, IPv4 and IPv6. Other families, such as vsock, reach beyond a network namespace. */
const FAMILIES = [1, 2, 10];
/** Calls with a higher number are newer than this table, and fail as not implemented. */
const LAST_CALL = 451;
/** The first call of the x32 interface, a second way to each call of x64. */
const X32 = 0x4000_0000;

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Offsets in `struct seccomp_data`: the call's number, its interface, its first argument. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;
/** `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`. A 32-bit program has another interface. */
const ARCHITECTURES: Readonly<Record<string, readonly [index: 0 | 1, code: number]>> = {
  x64: [0, 0xc000_003e],
  arm64: [1, 0xc000_00b7],
};

/** BPF instructions: load a word, jump if equal, jump if greater, return. */
const LOAD = 0x20;
const IF_EQUAL = 0x15;
const IF_GREATER = 0x25;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const FAIL = 0x0005_0000;

type Instruction = readonly [code: number, if_true: number, if_false: number, value: number];

/** Returns the filter for a processor, as `bwrap --seccomp` reads it. @throws SandboxFailure */
export function systemCallFilter(processor: string = process.arch): Buffer {
  const known = ARCHITECTURES[processor];
  if (known === undefined) throw new SandboxFailure(`no list of system calls for ${processor}`);
  const [index, architecture] = known;
  const numbers = Object.values(DENIED).flatMap((entry) => entry[index] ?? []);
  const program = [
    load(ARCHITECTURE),
    ...unlessEqual(architecture, ENOSYS),
    load(NUMBER),
    ...ifGreater(X32 - 1, ENOSYS),
    ...ifGreater(LAST_CALL, ENOSYS),
    ...numbers.flatMap((number) => ifEqual(number, [fail(EPERM)])),
    ...ifEqual(SOCKET[index] ?? 0, [
      load(FIRST_ARGUMENT),
      ...FAMILIES.flatMap((family) => ifEqual(family, [allow()])),
      fail(EAFNOSUPPORT),
    ]),
    allow(),
  ];
  return Buffer.concat(program.map(encoded));
}

const load = (offset: number): Instruction => [LOAD, 0, 0, offset];
const allow = (): Instruction => [RETURN, 0, 0, ALLOW];
const fail = (errno: number): Instruction => [RETURN, 0, 0, FAIL | errno];
const ifEqual = (value: number, then: readonly Instruction[]): readonly Instruction[] => [
  [IF_EQUAL, 0, then.length, value],
  ...then,
];
const unlessEqual = (value: number, errno: number): readonly Instruction[] => [[IF_EQUAL, 1, 0, value], fail(errno)];
const ifGreater = (value: number, errno: number): readonly Instruction[] => [[IF_GREATER, 0, 1, value], fail(errno)];

/** `struct sock_filter`. Both processors are little-endian. */
function encoded([code, if_true, if_false, value]: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(if_true, 2);
  bytes.writeUInt8(if_false, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

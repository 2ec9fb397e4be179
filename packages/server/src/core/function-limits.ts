/**
 * The limits of backend functions: what they use, and what can wait for them. limits.ts adds them
 * to its table.
 */
export const FUNCTION_LIMITS = {
  /** Time for one invocation of a function. */
  function_timeout_ms: 30_000,
  /** Time for a function's process to start. */
  function_start_timeout_ms: 10_000,
  /** A function's process ends after this long without work. */
  function_idle_ms: 60_000,
  /** Function processes of one server. */
  function_processes: 20,
  /** Heap of one function process. */
  function_heap_mb: 128,
  /**
   * Open connections of one function process to the API. Twenty invocations with ten calls each
   * stay below it.
   */
  function_bridge_connections: 256,
  /** Functions whose dropped response headers are remembered, so that each is logged once. */
  function_dropped_headers_functions: 1_000,
  /** Dropped response headers of one function that are logged. A function can invent any number. */
  function_dropped_headers: 20,
  /** Resident size of one function process, with its buffers outside the heap. More is killed. */
  function_memory_bytes: 268_435_456,
  /** Scratch folder of one function process. It is in memory. */
  function_scratch_bytes: 67_108_864,
  /** Threads of one app's functions, where each app has a uid of its own. */
  function_tasks: 512,
  /** CPU time of one invocation, over all threads. */
  function_cpu_ms: 10_000,
  /** CPU time to start, and between invocations. */
  function_idle_cpu_ms: 5_000,
  /** Connections of one function process to other hosts at a time. */
  function_connections: 100,
  /** Time for such a connection to open. */
  function_connect_timeout_ms: 10_000,
  /** Such a connection is closed after this long without a byte. */
  function_connection_idle_ms: 120_000,
  /** How often memory and CPU time of each function process are read. */
  function_poll_ms: 250,
  /** Largest body of a request to a function. */
  function_body_bytes: 6_291_456,
  /** Source files of one function together. */
  function_source_bytes: 10_485_760,
  /**
   * How long a function token stays valid after its invocation's timeout. Covers clock differences
   * and one last request.
   */
  function_token_grace_ms: 60_000,
} as const;

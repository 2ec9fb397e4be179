/**
 * The limits of backend functions: the resources they use, and the calls that wait for them.
 * limits.ts adds them to its table.
 */

/**
 * JSON can need six bytes for one byte of text: `\u000a` for a line feed. Characters with more
 * bytes in UTF-8 grow less. So a body limit of six times a text's limit has room for every allowed
 * text, and only the text's own limit refuses one.
 */
const JSON_ESCAPE_FACTOR = 6;

/**
 * Returns the limit of a JSON body with `text_bytes` of text. `body_bytes`, the limit of other
 * bodies, covers the rest: names, paths, automations.
 */
export function jsonBodyLimit(text_bytes: number, { body_bytes }: { readonly body_bytes: number }): number {
  return text_bytes * JSON_ESCAPE_FACTOR + body_bytes;
}

export const FUNCTION_LIMITS = {
  /** Time for one invocation of a function. */
  function_timeout_ms: 30_000,
  /** Time for a function's process to start. */
  function_start_timeout_ms: 10_000,
  /** A function's process exits after this long without work. */
  function_idle_ms: 60_000,
  /** Function processes of one server. */
  function_processes: 20,
  /** Function processes of one app, so that one app cannot use up those of all apps. */
  function_processes_per_app: 10,
  /** Invocations that one function process handles at a time. */
  function_invocations: 100,
  /** Calls that wait for a process. Further calls are refused. */
  function_queue: 100,
  /** Such calls of one app, so that one app cannot fill the line of all apps. */
  function_queue_per_app: 50,
  /** How long a call waits for a process. */
  function_queue_ms: 10_000,
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
  /**
   * Resident size of a function process, with buffers outside the heap. Beyond it, the process is
   * killed.
   */
  function_memory_bytes: 268_435_456,
  /** Scratch folder of one function process. It is in memory. */
  function_scratch_bytes: 67_108_864,
  /** Processes and threads of one function process. */
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
  /** How often the server reads the memory and CPU time of each function process. */
  function_poll_ms: 250,
  /**
   * How often the server checks that the functions with processes still exist and are switched on.
   * Each check reads rows in memory.
   */
  function_recheck_ms: 1_000,
  /** Largest body of a request to a function. */
  function_body_bytes: 6_291_456,
  /**
   * A caller that pauses for this long in the middle of its body occupies a function's process, so
   * its call fails.
   */
  function_upload_idle_ms: 10_000,
  /** Bytes in memory for one direction of a call. */
  function_window_bytes: 131_072,
  /**
   * Such bytes of all function calls together, and of the calls of one app. Enough for a thousand
   * calls without a body.
   */
  function_bytes_in_flight: 134_217_728,
  function_bytes_in_flight_per_app: 33_554_432,
  /**
   * Bytes in memory for deployments, secrets and lists of functions in transfer: in total, and for
   * one app. Enough for the largest one.
   */
  function_source_bytes_in_flight: 201_326_592,
  function_source_bytes_in_flight_per_app: 50_331_648,
  /** Time for a client to read a list of functions. */
  function_list_ms: 120_000,
  /**
   * How much of a refused request's body is discarded, so that its caller gets the reply instead of
   * a broken connection. More than any route accepts: a deployment can have 31 MB, escaped, and an
   * app's secrets 40 MB. Discarded bytes use no memory.
   */
  refused_body_bytes: 67_108_864,
  /** How long the rest of a refused request's body is discarded. */
  refused_body_ms: 5_000,
  /** Source files of one function, shared files included. */
  function_files: 200,
  /** Size of a function's deno.json. The server parses it: 5 MB of errors would take a second. */
  function_deno_json_bytes: 65_536,
  /** Total size of the source files of one function. */
  function_source_bytes: 5_242_880,
  /** A bundle with its source map. Each process loads it, and the cache holds it. */
  function_bundle_bytes: 20_971_520,
  functions_per_app: 200,
  /**
   * Total size of the source files of an app's live functions. The public CLI lists all at once.
   */
  functions_source_bytes: 52_428_800,
  /**
   * Total size of the sources, bundles and source maps of all kept versions of an app. The versions
   * of 200 functions could otherwise need 50 GB, and fill the disk for all apps.
   */
  functions_stored_bytes: 2_147_483_648,
  /** Latest calls on one node whose request a log record can name, even after they ended. */
  function_request_ids: 10_000,
  /** Versions of a function that are kept for a rollback, the live version included. */
  function_versions: 10,
  /** Deployments that one server bundles in parallel. Each bundler uses a processor. */
  function_deploys: 2,
  /** Such deployments of one app, so that one app with slow imports cannot hold up all apps. */
  function_deploys_per_app: 1,
  /** Deployments that wait for their turn, and those of one app. */
  function_deploys_waiting: 20,
  function_deploys_waiting_per_app: 10,
  /** Bundles in memory. */
  function_cache_bytes: 134_217_728,
  /** Functions whose live version, and apps whose secrets, are in memory. */
  function_cache_entries: 10_000,
  function_cache_apps: 1_000,
  /** If an app's secrets are larger than this in total, they are read for each call, not cached. */
  function_cache_secrets_bytes: 262_144,
  app_secrets: 100,
  app_secret_bytes: 65_536,
  /** Time to bundle one function, its imports included. */
  function_bundle_timeout_ms: 60_000,
  /** Resident size of one bundling process and its tools. */
  function_bundle_memory_bytes: 1_073_741_824,
  /** Scratch folder of one bundling process: fetched packages, unpacked. It is in memory. */
  function_bundle_scratch_bytes: 536_870_912,
  /** Bytes that fetching the imports of one function can transfer. */
  function_fetched_bytes: 52_428_800,
  /**
   * Files that the imports of one function can fetch. A package counts as two: metadata and code.
   */
  function_fetched_files: 500,
  /**
   * How long a function token stays valid after its invocation's timeout. Covers clock differences
   * and one last request.
   */
  function_token_grace_ms: 60_000,
  /** Longest record of a function's output. The rest of it is dropped. */
  function_log_record_bytes: 8_192,
  /**
   * Output of one function process that is kept per minute. The rest is dropped and counted, so
   * that a function that prints in a loop cannot fill memory or disk.
   */
  function_log_bytes_per_minute: 1_048_576,
  /** Records in memory that are not written yet. Further records are dropped and counted. */
  function_log_buffer_bytes: 8_388_608,
  /** How soon a function's output is stored, and visible on other nodes. */
  function_log_flush_ms: 500,
  /** How long a function's output is kept, in days. */
  function_log_days: 14,
  /** Stored output of the functions of one app. The oldest records are deleted first. */
  function_log_bytes: 33_554_432,
  /** Records in one reply. The public command line asks for at most 1,000. */
  function_log_page: 500,
  /** Live views of function output on one node. */
  function_log_streams: 50,
  /** Such views of one app, so that one app cannot use up those of all apps. */
  function_log_streams_per_app: 10,
  /** How often a live view looks for new records of all nodes. */
  function_log_poll_ms: 1_000,
  /** A live view without records sends a comment this often. Clients give up after 60 s. */
  function_log_heartbeat_ms: 15_000,
  /**
   * A live view ends after this long. The client reconnects, and its credential is checked again.
   */
  function_log_stream_ms: 600_000,
  /** How often a node looks for due automations. */
  schedule_poll_ms: 1_000,
  /** Due automations that a node reads at once and runs in parallel. */
  schedule_batch: 20,
  /** Such runs of one app on one node, so that one app cannot delay those of all apps. */
  schedule_batch_per_app: 5,
  /** A run that is later than this counts as missed: the server was down or too busy. */
  schedule_late_ms: 60_000,
  /**
   * Lease of a run. The automation does not run again until the lease expires. Longer than a run
   * and its process start can take.
   */
  schedule_lease_ms: 180_000,
} as const;

//! Every bound of the sandbox, with its unit and its reason.
//!
//! What an operator sets for one plugin (memory, time, log) is
//! [`gavel_market::model::CallLimits`]; what a whole host may want to set is
//! [`SandboxSettings`]. The rest is the same for everybody and stands here.

use std::time::Duration;

/// What a whole host may set. The default suits a machine of 2 to 16 cores.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// Calls that may be under way at once; a call over that waits, and after
    /// [`wait_for_instance`](Self::wait_for_instance) is `overloaded`. A call only computes and never waits for a
    /// buyer, so this is far more than there are cores.
    pub concurrent_calls: u32,
    /// How long a call waits for others to end before it is `overloaded`.
    pub wait_for_instance: Duration,
    /// Memories that the pool keeps warm, each at most
    /// [`MEMORY_KEPT_RESIDENT_BYTES`] large: enough for every distinct plugin times
    /// the calls it gets at once. With fewer, plugins push each other's memory images
    /// out, which made 200 plugins half as fast. Costs 4 GiB of address space each,
    /// and real memory only once used.
    pub warm_instances: u32,
    /// Largest upload, in bytes. The Rust plugins have 30 KiB, QuickJS 1.6 MiB.
    pub max_plugin_bytes: usize,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            concurrent_calls: 128,
            wait_for_instance: Duration::from_millis(100),
            warm_instances: 1024,
            max_plugin_bytes: 4 << 20,
        }
    }
}

impl SandboxSettings {
    /// The settings with every number made possible.
    pub(crate) fn sane(mut self) -> Self {
        self.concurrent_calls = self.concurrent_calls.clamp(1, CONCURRENT_CALLS_MAX);
        self.warm_instances = self.warm_instances.clamp(1, WARM_INSTANCES_MAX);
        self
    }
}

// ---- time ----

/// Between two ticks of the epoch clock: how far a call can overrun its time, and how
/// long it keeps a thread from other tasks.
pub const TICK: Duration = Duration::from_millis(1);

/// A call's own time on the processor, times this, is the most wall time for which it
/// may hold threads. On a machine so busy that a call gets a tenth of a core, calls end.
pub const WALL_PER_CPU: u32 = 10;

// ---- memory ----

/// Largest memory that an operator may allow a plugin, in bytes. Only address space.
pub const MEMORY_MAX_BYTES: usize = 256 << 20;

/// Bytes of a used memory that stay resident when its call is over. The SDK's guests
/// fit whole (16 KiB stack, 48 KiB arena, data), which saves their page faults; more
/// would let one heavy call slow all later ones of its slot.
pub const MEMORY_KEPT_RESIDENT_BYTES: usize = 256 << 10;

/// Bytes of a used table that stay resident. A Rust guest's table has under 1 KiB.
pub const TABLE_KEPT_RESIDENT_BYTES: usize = 16 << 10;

/// Elements of a table. Rust guests have a few hundred, interpreters a few thousand.
pub const TABLE_ELEMENTS_MAX: usize = 10_000;

/// Memories of one plugin: a core module wrapped into a component has one.
pub const MEMORIES_MAX: usize = 1;

/// Tables of one plugin: the module's and the one through which imports are patched.
pub const TABLES_MAX: usize = 2;

/// Core instances of one plugin. Wrapping makes three: shim, module, fix-up.
pub const CORE_INSTANCES_MAX: usize = 8;

/// The pool's own bounds for one component. Roomier than the ones above, so that the
/// gate's words are the ones an author sees, and so that QuickJS (three memories) and
/// Python (38 core instances) can later be allowed plugin by plugin.
pub(crate) const POOL_MEMORIES_PER_PLUGIN: u32 = 4;
/// See [`POOL_MEMORIES_PER_PLUGIN`].
pub(crate) const POOL_TABLES_PER_PLUGIN: u32 = 8;
/// See [`POOL_MEMORIES_PER_PLUGIN`].
pub(crate) const POOL_CORE_INSTANCES_PER_PLUGIN: u32 = 48;
/// The host's own bookkeeping for one component instance, in bytes.
pub(crate) const POOL_INSTANCE_BYTES: usize = 1 << 20;

/// Concurrent calls at most: each needs memories, tables and a stack in the pool.
pub(crate) const CONCURRENT_CALLS_MAX: u32 = 2048;

/// Warm memories at most: at 4 GiB of address space each, half of what x86-64 has.
pub(crate) const WARM_INSTANCES_MAX: u32 = 16_384;

// ---- stack ----

/// Stack that a plugin's code may use, in bytes, on top of its own stack in memory.
pub const WASM_STACK_BYTES: usize = 256 << 10;

/// A call's whole stack, in bytes; what is over [`WASM_STACK_BYTES`] is for host
/// functions. Address space, touched only as deep as it is used.
pub const CALL_STACK_BYTES: usize = 1 << 20;

// ---- what crosses ----

/// Bytes that one crossing from the plugin to the host may copy: a returned value, or
/// the arguments of one host call. Room for a request with the largest body, its
/// headers and URL. Into the plugin no such bound is needed: that is copied into the
/// plugin's own memory, which is bounded.
pub const CROSSING_MAX_BYTES: usize = REQUEST_BODY_MAX_BYTES + (128 << 10);

/// Handles to resources that may live at once in a call: the lead and the account are
/// two. Each costs the host some 32 bytes that no memory limit sees.
pub const HANDLES_MAX: usize = 1000;

/// Frames of wasm in a trap's message.
pub const BACKTRACE_FRAMES: usize = 16;

/// A request's body, in bytes: as much as an answer may have (`rules.md`, Requests out).
pub const REQUEST_BODY_MAX_BYTES: usize = 256 << 10;
/// A request's URL, in bytes; servers and proxies refuse longer ones.
pub const URL_MAX_BYTES: usize = 8 << 10;
/// Headers of a request; servers commonly take 100.
pub const HEADERS_MAX: usize = 64;
/// Names and values of a request's headers together, in bytes; servers commonly take 16 KiB or less.
pub const HEADERS_MAX_BYTES: usize = 16 << 10;
/// A buyer's reference, in bytes; it is kept with the order.
pub const REFERENCE_MAX_BYTES: usize = 1 << 10;
/// Where to send the consumer, in bytes.
pub const REDIRECT_MAX_BYTES: usize = 2 << 10;
/// A refusal's, a rejection's or an error's words, in bytes (`rules.md`, Plugins); longer ones are cut.
pub const WORDS_MAX_BYTES: usize = 1 << 10;
/// The host's own words about a fault, in bytes: a backtrace has long names.
pub const MESSAGE_MAX_BYTES: usize = 4 << 10;

// ---- log ----

/// What a log line costs besides its text, in bytes, so that empty lines are not free.
pub const LOG_LINE_BYTES: usize = 16;
/// Of a call's log, kept for lines of level `error`, in bytes: however much a plugin
/// chats, the message of its panic is still there. At most half of the log.
pub const LOG_KEPT_FOR_ERRORS_BYTES: usize = 1 << 10;

// ---- what a plugin says of itself ----

/// A description's name and version, in bytes each.
pub const ABOUT_NAME_MAX_BYTES: usize = 128;
/// A description's summary, in bytes.
pub const ABOUT_SUMMARY_MAX_BYTES: usize = 4 << 10;
/// Fields that a plugin may say it needs.
pub const NEEDS_MAX: usize = 256;
/// Codes that a schema may declare.
pub const CODES_MAX: usize = 1000;
/// A schema's text, in bytes.
pub const SCHEMA_MAX_BYTES: usize = 128 << 10;
/// A schema's nodes with every reference written out: what a check of a configuration
/// may have to walk. Without it a few nested references would stand for billions.
pub const SCHEMA_NODES_MAX: usize = 10_000;
/// How deep a schema nests with every reference written out.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Memory of one compiled `pattern`, in bytes.
pub const PATTERN_MAX_BYTES: usize = 1 << 20;
/// An account's configuration, in bytes.
pub const CONFIG_MAX_BYTES: usize = 128 << 10;

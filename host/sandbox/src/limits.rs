//! Every bound of the sandbox, with its unit and its reason.
//!
//! What an operator sets for one plugin (memory, time, log) is
//! [`gavel_market::model::CallLimits`]; what a whole host may want to set is
//! [`SandboxSettings`]. The rest is the same for everybody and stands here.

use std::{fmt, time::Duration};

/// What a whole host may set. The default suits a machine of 2 to 16 cores.
#[derive(Clone)]
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
    /// Largest upload, in bytes. Rust plugins have 30 KiB, JavaScript on QuickJS 1.6 MiB, Python 18 MiB.
    pub max_plugin_bytes: usize,
    /// Of calls on reused instances, one in so many is run again on a fresh one and the two
    /// compared; 0 is never. Which ones is drawn by lot: a plugin cannot count up to them.
    pub reused_check_every: u32,
    /// Calls that one instance serves before it is dropped: heaps of interpreters grow.
    pub reused_calls_max: u32,
    /// Instances kept alive between calls, over all plugins; 0 is none. The one longest
    /// unused goes first.
    pub reused_instances: u32,
    /// What this host seals its compiled code with; `None` is no sealed code. Whoever has it
    /// can make the host run any machine code: it is as secret as the host itself.
    pub code_key: Option<[u8; 32]>,
}

/// All but the key.
impl fmt::Debug for SandboxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxSettings")
            .field("concurrent_calls", &self.concurrent_calls)
            .field("wait_for_instance", &self.wait_for_instance)
            .field("warm_instances", &self.warm_instances)
            .field("max_plugin_bytes", &self.max_plugin_bytes)
            .field("reused_check_every", &self.reused_check_every)
            .field("reused_calls_max", &self.reused_calls_max)
            .field("reused_instances", &self.reused_instances)
            .field("code_key", &self.code_key.map(|_| "…"))
            .finish()
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            concurrent_calls: 128,
            wait_for_instance: Duration::from_millis(100),
            warm_instances: 1024,
            max_plugin_bytes: 32 << 20,
            reused_check_every: 100,
            reused_calls_max: 1000,
            reused_instances: 256,
            code_key: None,
        }
    }
}

impl SandboxSettings {
    /// The settings with every number made possible.
    pub(crate) fn sane(mut self) -> Self {
        self.concurrent_calls = self.concurrent_calls.clamp(1, CONCURRENT_CALLS_MAX);
        self.warm_instances = self.warm_instances.clamp(1, WARM_INSTANCES_MAX);
        self.reused_calls_max = self.reused_calls_max.max(1);
        self.reused_instances = self.reused_instances.min(REUSED_INSTANCES_MAX);
        self
    }
}

// ---- time ----

/// Between two ticks of the epoch clock: how far a call can overrun its time, and how
/// long it keeps a thread from other tasks.
pub const TICK: Duration = Duration::from_millis(1);

/// A call's own time on the processor, times this, is the most wall time for which it
/// may hold threads. On a machine so busy that a call gets a tenth of a core, calls end.
/// As long again it may wait inside a host function, where it holds no thread but a place.
pub const WALL_PER_CPU: u32 = 10;

/// How often a plugin is asked, where nobody waits for the answer, while a busy machine ends its
/// calls although they had processor time left: a market is not refused for that.
pub(crate) const BUSY_TRIES: u32 = 3;

/// How often the gate looks at a plugin that waits: it has no executor whose timer would.
pub(crate) const GATE_WATCH: Duration = Duration::from_millis(5);

// ---- memory ----

/// Largest memory that an operator may allow a plugin, in bytes: all its memories
/// together. Only address space.
pub const MEMORY_MAX_BYTES: usize = 256 << 20;

/// Bytes of a used memory that stay resident when its call is over. The SDK's guests
/// fit whole (16 KiB stack, 48 KiB arena, data), which saves their page faults; more
/// would let one heavy call slow all later ones of its slot.
pub const MEMORY_KEPT_RESIDENT_BYTES: usize = 256 << 10;

/// Bytes of a used table that stay resident. A Rust guest's table has under 1 KiB.
pub const TABLE_KEPT_RESIDENT_BYTES: usize = 16 << 10;

/// Elements of a table. Rust guests have a few hundred, QuickJS 752, Python 5 686 and each
/// of its native packages some more, StarlingMonkey 7 687: twice and a half the largest.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Memories of one plugin. A core module wrapped into a component has one, Python too;
/// QuickJS three, two of them empty.
pub const MEMORIES_MAX: usize = 4;

/// Tables of one plugin: the module's and the one through which imports are patched.
/// QuickJS has three; a component linked from several modules one more for each.
pub const TABLES_MAX: usize = 8;

/// Core instances of one plugin. Wrapping makes three: shim, module, fix-up. Python's
/// dynamic linking makes 38.
pub const CORE_INSTANCES_MAX: usize = 48;

/// The pool's own bounds for one component are so many times those above, so that the
/// words an author sees are the gate's and not the pool's.
pub(crate) const POOL_ROOMIER: u32 = 8;
/// The host's own bookkeeping for one component instance, in bytes.
pub(crate) const POOL_INSTANCE_BYTES: usize = 1 << 20;

// ---- instances that live on ----

/// Instances kept for one plugin, account and configuration. A call only computes: more
/// than there are cores would never be busy at once.
pub const REUSED_PER_ACCOUNT: usize = 16;

/// Memory of all kept instances together, in bytes, as large as the plugins made it. Some
/// two hundred Python plugins; thousands of Rust ones.
pub const REUSED_MEMORY_MAX_BYTES: usize = 1 << 30;

/// An instance that has grown since its first call is dropped once it has more than this
/// share of the memory it may have: before it fails for want of the rest.
pub const REUSED_GROWN_SHARE: usize = 2;

/// Kept instances at most: each needs what a call needs in the pool.
pub(crate) const REUSED_INSTANCES_MAX: u32 = 2048;

// ---- the pool ----

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

/// Random bytes that one call of WASI's gives: a runtime seeds itself with some thousand.
pub const RANDOM_MAX_BYTES: usize = 64 << 10;

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

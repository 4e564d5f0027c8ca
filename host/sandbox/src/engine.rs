//! The engine, with every setting that matters, and its clock.
//!
//! Nothing is left to wasmtime's defaults that decides what a plugin may do, how fast a
//! fresh instance is, or what its answer is.

use std::{num::NonZeroUsize, thread};

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig, Strategy, WasmBacktraceDetails,
};

use crate::{
    error::SandboxError,
    limits::{
        BACKTRACE_FRAMES, CALL_STACK_BYTES, CORE_INSTANCES_MAX, MEMORIES_MAX,
        MEMORY_KEPT_RESIDENT_BYTES, MEMORY_MAX_BYTES, POOL_INSTANCE_BYTES, POOL_ROOMIER,
        SandboxSettings, TABLE_ELEMENTS_MAX, TABLE_KEPT_RESIDENT_BYTES, TABLES_MAX, TICK,
        WASM_STACK_BYTES,
    },
};

/// An engine with a pool of instances, and a clock that ticks as long as it lives.
///
/// Where the pool's address space cannot be had – containers with a bound on virtual
/// memory – instances are allocated one by one: the same answers, some times slower.
pub(crate) fn start(settings: &SandboxSettings) -> Result<Engine, SandboxError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    let engine = Engine::new(&config).or_else(|error| {
        tracing::warn!("no pool of plugin instances, each call will be slower: {error:#}");
        let mut config = self::config();
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    });
    let engine = engine.map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
    start_clock(engine.weak())?;
    Ok(engine)
}

/// What both ways of allocating have in common.
fn config() -> Config {
    let mut config = Config::new();
    config
        // Never Winch: epochs do not work with it, and it has had its own escapes.
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // Two replicas of one decision must not differ in the bits of a NaN.
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        // Component-model async: no plugin needs it, and it doubles the cost of each host call.
        .concurrency_support(false)
        // Registering unwind tables is slow where plugins come and go, and only debuggers read them.
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES);
    // What no plugin toolchain emits unasked: less to go wrong. Threads, garbage
    // collection, exceptions and stack switching are not even compiled in.
    config
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        // Differs from machine to machine by design.
        .wasm_relaxed_simd(false)
        // A module still has one memory (the pool sees to it); but where a component's parts
        // have one each, as QuickJS's, wasmtime passes values between them by modules that
        // import two, and without this its compiler panics.
        .wasm_multi_memory(true);
    config
}

/// A pool that hands out instances without asking the kernel, as often as it can.
///
/// It has room for every call that may be under way beside every instance that may be
/// kept, each as large as a plugin may be: of a plugin that the gate let through, no call
/// ever finds it full.
fn pool(settings: &SandboxSettings) -> PoolingAllocationConfig {
    let alive = settings
        .concurrent_calls
        .saturating_add(settings.reused_instances);
    let for_all = |each: usize| alive.saturating_mul(count(each));
    let memories = settings.warm_instances.max(for_all(MEMORIES_MAX));
    let roomier = |each: usize| count(each).saturating_mul(POOL_ROOMIER);
    let mut pool = PoolingAllocationConfig::new();
    pool
        // A used slot's dirty pages are found and rewritten in place, rather than unmapped
        // under the whole process's lock. Without it two threads are slower than one.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(MEMORY_KEPT_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEPT_RESIDENT_BYTES)
        // A slot stays with the plugin it last held, and no plugin drives another's out.
        .max_unused_warm_slots(memories)
        .total_memories(memories)
        .max_memory_size(MEMORY_MAX_BYTES)
        .max_memories_per_module(1)
        .max_memories_per_component(roomier(MEMORIES_MAX))
        .total_tables(memories.max(for_all(TABLES_MAX)))
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_tables_per_module(roomier(TABLES_MAX))
        .max_tables_per_component(roomier(TABLES_MAX))
        // An instance that is kept keeps its stack.
        .total_stacks(alive)
        .total_component_instances(alive)
        .total_core_instances(for_all(CORE_INSTANCES_MAX))
        .max_core_instances_per_component(roomier(CORE_INSTANCES_MAX))
        .max_core_instance_size(POOL_INSTANCE_BYTES)
        .max_component_instance_size(POOL_INSTANCE_BYTES);
    pool
}

/// A number of things as wasmtime counts them.
fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}

/// Ticks the engine's epoch from a thread of its own until the engine is gone.
///
/// Not from the executor: a plugin that keeps all its threads busy would stop its own clock.
fn start_clock(engine: EngineWeak) -> Result<(), SandboxError> {
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new()
        .name("gavel-epoch".into())
        .spawn(tick)
        .map(drop)
        .map_err(SandboxError::Clock)
}

//! The guest's allocator: a static arena first, growth only when it is full.
//!
//! The host makes a fresh instance for every call, so what an instance costs before it does
//! anything is what counts. The first `memory.grow` of the standard allocator is most of
//! that cost (two `mprotect` and a `madvise`); an arena that is part of the module's initial
//! memory needs none. Measured: 11 µs instead of 19 for a fresh instance with `open` and
//! `qualify`.
#![allow(
    unsafe_code,
    reason = "an allocator hands out raw memory; each use says why it is sound"
)]

use std::{alloc::Layout, cell::UnsafeCell, mem::MaybeUninit};

use talc::{OomHandler, Span, Talc, Talck, locking::AssumeUnlockable};

/// Bytes of the arena: enough for a lead of fifty fields, a configuration and a request, and
/// little enough that the instance's memory stays within what the host's pool keeps resident.
const ARENA_BYTES: usize = 48 * 1024;

/// Bytes of a page of wasm memory, the unit in which it grows.
const PAGE_BYTES: usize = 64 * 1024;

/// Bytes that talc may need in a new heap beside the allocation itself.
const HEAP_OVERHEAD_BYTES: usize = 64;

/// Talc wants its heaps aligned to words.
#[repr(align(16))]
struct Arena(UnsafeCell<MaybeUninit<[u8; ARENA_BYTES]>>);

// SAFETY: a guest has one thread, and only the allocator touches the arena.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new(MaybeUninit::uninit()));

#[global_allocator]
static ALLOCATOR: Talck<AssumeUnlockable, ArenaThenGrow> = Talc::new(ArenaThenGrow {
    arena_is_claimed: false,
    grown: Span::empty(),
})
.lock();

/// Where talc gets its memory from.
struct ArenaThenGrow {
    arena_is_claimed: bool,
    /// The heap that growing last made or extended.
    grown: Span,
}

// SAFETY: the span's pointers are never followed here, and a guest has one thread.
unsafe impl Send for ArenaThenGrow {}

impl OomHandler for ArenaThenGrow {
    fn handle_oom(talc: &mut Talc<Self>, layout: Layout) -> Result<(), ()> {
        if talc.oom_handler.arena_is_claimed {
            return grow(talc, layout);
        }
        talc.oom_handler.arena_is_claimed = true;
        let arena = Span::from_base_size(ARENA.0.get().cast(), ARENA_BYTES);
        // SAFETY: the arena lives as long as the instance, is claimed this once, and nothing
        // else refers to it.
        unsafe { talc.claim(arena) }.map(drop)
    }
}

/// Adds as many pages as the allocation needs; the host may refuse them.
fn grow(talc: &mut Talc<ArenaThenGrow>, layout: Layout) -> Result<(), ()> {
    let bytes = layout
        .size()
        .checked_add(layout.align())
        .and_then(|bytes| bytes.checked_add(HEAP_OVERHEAD_BYTES))
        .ok_or(())?;
    let pages = bytes.div_ceil(PAGE_BYTES);
    let before = core::arch::wasm32::memory_grow::<0>(pages);
    if before == usize::MAX {
        return Err(());
    }
    let base = (before * PAGE_BYTES) as *mut u8;
    let acme = base.wrapping_add(pages * PAGE_BYTES);

    let grown = talc.oom_handler.grown;
    talc.oom_handler.grown = match grown.get_base_acme() {
        // SAFETY: `grown` is a heap of this allocator, and the pages that now follow it
        // were just given to this instance.
        Some((heap, end)) if end == base => unsafe { talc.extend(grown, Span::new(heap, acme)) },
        // SAFETY: these pages were just given to this instance; nothing refers to them.
        _ => unsafe { talc.claim(Span::new(base, acme)) }?,
    };
    Ok(())
}

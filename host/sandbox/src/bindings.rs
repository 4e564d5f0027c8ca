//! The plugin interface, version 1, as Rust types made from `wit/buyer.wit`.
//!
//! Used nowhere but at the sandbox's edge: another version of the interface will be
//! another module like this one, translated into the same types of [`crate::answer`].

#![allow(missing_docs, unreachable_pub, clippy::pedantic)] // generated

/// Filters.
pub(crate) mod filter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "filter-plugin",
        imports: { default: trappable },
        exports: { default: async },
        with: { "gavel:buyer/leads.lead": crate::state::Lead },
    });
}

/// Adapters. What both worlds import is the filter's, so that one host serves both.
pub(crate) mod adapter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "adapter-plugin",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "gavel:buyer/leads@1.0.0": crate::bindings::filter::gavel::buyer::leads,
            "gavel:buyer/logging@1.0.0": crate::bindings::filter::gavel::buyer::logging,
        },
    });
}

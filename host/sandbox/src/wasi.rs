//! The empty world of WASI 0.2, for plugins whose toolchain imports it.
//!
//! JavaScript's and Python's runtimes, and Rust's `wasm32-wasip2`, import files, sockets,
//! clocks and randomness whether the plugin uses them or not. They get them all, and behind
//! none of them is anything real: what a plugin can learn here is what its call told it
//! already. What a runtime prints – a panic's message above all – becomes lines of the log.
//!
//! The bindings and the streams' mechanics are wasmtime-wasi's. Everything that could make
//! something out of nothing – open, create, resolve, read a clock, draw a number – is
//! written here instead, so that no default of that crate's can open a door:
//!
//! | interface of `wasi:` | what a plugin gets | why nothing real is reachable |
//! |---|---|---|
//! | `cli/environment` | no variables, no arguments, no working directory | constants of this module |
//! | `cli/exit` | a trap that says so | ends the call as any trap, never the process |
//! | `cli/stdin` | a closed stream | a constant of this module |
//! | `cli/stdout`, `cli/stderr` | lines of the log, at `info` and at `error` | [`Printer`] writes to memory, bounded by the call's log |
//! | `cli/terminal-*` | no terminal | constants; a terminal's handle cannot be had |
//! | `clocks/wall-clock` | the lead's `received-at`; where no lead is shown – `start`, `describe`, `open` – the Unix epoch | a number in [`Wasi`] |
//! | `clocks/monotonic-clock` | always the same instant; a sleep of any length is over at once | a constant; [`AtOnce`] waits for no timer |
//! | `filesystem/preopens` | an empty list | a constant of this module |
//! | `filesystem/types` | functions of descriptors | a descriptor comes only from another one, and the list of the first is empty |
//! | `io/poll` | everything is ready | whatever can be waited for is one of ours, and ready |
//! | `io/streams`, `io/error` | functions of the streams above | as those |
//! | `random/random`, `insecure`, `insecure-seed` | numbers that follow from the order's id | [`Generator`]: arithmetic on that id, good for hash maps and for no secret |
//! | `sockets/instance-network` | a handle | good only for what is refused below |
//! | `sockets/tcp-create-socket`, `udp-create-socket` | `access-denied` | refused here before a socket is made |
//! | `sockets/ip-name-lookup` | `permanent-resolver-failure` | refused here before a name is looked at |
//! | `sockets/tcp`, `udp`, `network` | functions of sockets | a socket comes only from the two that refuse, or from another socket |
//!
//! Since a sleep is over at once and no clock moves, nothing here ever waits: a call that
//! sleeps in a loop until a clock has moved computes, and ends with its time like any other
//! endless loop. Handles, bytes and time are bounded as for the plugin's own imports.
//!
//! Before a lead is shown, clock and generator stand where they always stand, so that what
//! `open` makes of a configuration does not depend on who came first; [`Wasi::begin`] sets
//! both as the lead is shown, for a reused instance at every call again.

mod chance;
mod printed;

use std::sync::{Arc, Mutex};

use wasmtime::{
    bail,
    component::{HasData, HasSelf, Linker, Resource, ResourceTable},
};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    cli::{WasiCli, WasiCliView as _},
    filesystem::{WasiFilesystem, WasiFilesystemView as _},
    p2::{
        DynInputStream, DynOutputStream, DynPollable, Pollable, SocketError, SocketResult,
        TcpSocket, UdpSocket,
        bindings::{
            cli, clocks, filesystem, io, random, sockets,
            sockets::network::{ErrorCode, IpAddress, IpAddressFamily, Network},
        },
        pipe::ClosedInputStream,
        subscribe,
    },
    sockets::{WasiSockets, WasiSocketsView as _},
};

use self::{
    chance::{Generator, seed},
    printed::{Printed, Printer, lock},
};
use crate::{
    fault::LogLevel,
    state::{Log, State},
};

/// The interfaces of `wasi:` that [`add_to_linker`] has, of any version 0.2.
pub(crate) const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What the monotonic clock always shows, in nanoseconds: an hour, so that a program that
/// takes a time-out off it stays above zero.
const STANDSTILL_NS: u64 = 3_600_000_000_000;
/// The resolution that both clocks claim, in nanoseconds: `received-at` is in milliseconds.
const RESOLUTION_NS: u32 = 1_000_000;

/// Adds the whole of [`INTERFACES`].
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // Ours.
    cli::environment::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::exit::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::stderr::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::stdin::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::stdout::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::terminal_stderr::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::terminal_stdin::add_to_linker::<_, HasWorld>(linker, world)?;
    cli::terminal_stdout::add_to_linker::<_, HasWorld>(linker, world)?;
    clocks::monotonic_clock::add_to_linker::<_, HasWorld>(linker, world)?;
    clocks::wall_clock::add_to_linker::<_, HasWorld>(linker, world)?;
    filesystem::preopens::add_to_linker::<_, HasWorld>(linker, world)?;
    random::insecure::add_to_linker::<_, HasWorld>(linker, world)?;
    random::insecure_seed::add_to_linker::<_, HasWorld>(linker, world)?;
    random::random::add_to_linker::<_, HasWorld>(linker, world)?;
    sockets::ip_name_lookup::add_to_linker::<_, HasWorld>(linker, world)?;
    sockets::tcp_create_socket::add_to_linker::<_, HasWorld>(linker, world)?;
    sockets::udp_create_socket::add_to_linker::<_, HasWorld>(linker, world)?;
    // Functions of handles, of which there are only ours and none.
    io::error::add_to_linker::<_, HasSelf<ResourceTable>>(linker, table)?;
    io::poll::add_to_linker::<_, HasSelf<ResourceTable>>(linker, table)?;
    io::streams::add_to_linker::<_, HasSelf<ResourceTable>>(linker, table)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    let stable = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<_, WasiSockets>(linker, &stable, State::sockets)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, State::sockets)
}

/// What one instance gets of WASI. Costs a few words until it is used.
pub(crate) struct Wasi {
    received_at_ms: u64,
    seed: u64,
    random: Generator,
    log_bytes: usize,
    printed: Option<Arc<Mutex<Printed>>>,
    ctx: Option<Box<WasiCtx>>,
}

impl Wasi {
    /// A world in which no lead has been shown yet; `log_bytes` is what a call may log.
    pub(crate) fn new(log_bytes: usize) -> Self {
        Self {
            received_at_ms: 0,
            seed: 0,
            random: Generator(0),
            log_bytes,
            printed: None,
            ctx: None,
        }
    }

    /// Sets clock and generator for a call: the same `received_at_ms` and `order` give the
    /// same answers, whatever the instance did before.
    pub(crate) fn begin(&mut self, received_at_ms: u64, order: &str) {
        self.received_at_ms = received_at_ms;
        self.seed = seed(order);
        self.random = Generator(self.seed);
    }

    /// Moves whole lines that were printed into the log, oldest first.
    pub(crate) fn flush_lines(&mut self, log: &mut Log) {
        if let Some(printed) = &self.printed {
            lock(printed).move_to(log);
        }
    }

    /// At a call's end: the lines, and what was printed after the last of them.
    pub(crate) fn flush(&mut self, log: &mut Log) {
        if let Some(printed) = &self.printed {
            let mut printed = lock(printed);
            printed.end_lines();
            printed.move_to(log);
        }
    }

    fn printer(&mut self, level: LogLevel) -> DynOutputStream {
        let printed = self
            .printed
            .get_or_insert_with(|| Arc::new(Mutex::new(Printed::new(self.log_bytes))));
        Box::new(Printer {
            level,
            printed: Arc::clone(printed),
        })
    }

    /// What wasmtime-wasi's functions of handles ask for. It decides nothing: nothing that
    /// could ask it has a handle.
    fn ctx(&mut self) -> &mut WasiCtx {
        self.ctx.get_or_insert_with(|| {
            let mut closed = WasiCtxBuilder::new();
            closed
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false);
            Box::new(closed.build())
        })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.ctx(),
            table: &mut self.table,
        }
    }
}

/// The world of a call and the handles that it gave out.
pub(crate) struct World<'a> {
    wasi: &'a mut Wasi,
    table: &'a mut ResourceTable,
}

struct HasWorld;

impl HasData for HasWorld {
    type Data<'a> = World<'a>;
}

fn world(state: &mut State) -> World<'_> {
    World {
        wasi: &mut state.wasi,
        table: &mut state.table,
    }
}

fn table(state: &mut State) -> &mut ResourceTable {
    &mut state.table
}

// ---- cli ----

impl cli::environment::Host for World<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl cli::exit::Host for World<'_> {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        self.exit_with_code(u8::from(status.is_err()))
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        bail!("exited with status {status}; a plugin returns")
    }
}

impl cli::stdin::Host for World<'_> {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let closed: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.table.push(closed)?)
    }
}

impl cli::stdout::Host for World<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        Ok(self.table.push(self.wasi.printer(LogLevel::Info))?)
    }
}

impl cli::stderr::Host for World<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        Ok(self.table.push(self.wasi.printer(LogLevel::Error))?)
    }
}

impl cli::terminal_stdin::Host for World<'_> {
    fn get_terminal_stdin(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<cli::terminal_stdin::TerminalInput>>> {
        Ok(None)
    }
}

impl cli::terminal_stdout::Host for World<'_> {
    fn get_terminal_stdout(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<cli::terminal_stdout::TerminalOutput>>> {
        Ok(None)
    }
}

impl cli::terminal_stderr::Host for World<'_> {
    fn get_terminal_stderr(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<cli::terminal_stderr::TerminalOutput>>> {
        Ok(None)
    }
}

// ---- clocks ----

impl clocks::wall_clock::Host for World<'_> {
    fn now(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        let (seconds, millis) = (
            self.wasi.received_at_ms / 1000,
            self.wasi.received_at_ms % 1000,
        );
        Ok(clocks::wall_clock::Datetime {
            seconds,
            nanoseconds: u32::try_from(millis)? * RESOLUTION_NS,
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        Ok(clocks::wall_clock::Datetime {
            seconds: 0,
            nanoseconds: RESOLUTION_NS,
        })
    }
}

impl clocks::monotonic_clock::Host for World<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(STANDSTILL_NS)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(RESOLUTION_NS.into())
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let at_once = self.table.push(AtOnce)?;
        subscribe(self.table, at_once)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(STANDSTILL_NS)
    }
}

/// The end of a sleep.
struct AtOnce;

#[wasmtime_wasi::async_trait]
impl Pollable for AtOnce {
    async fn ready(&mut self) {}
}

// ---- randomness ----

impl random::random::Host for World<'_> {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.wasi.random.bytes(count)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi.random.next())
    }
}

impl random::insecure::Host for World<'_> {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.wasi.random.bytes(count)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi.random.next())
    }
}

impl random::insecure_seed::Host for World<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        // From a sequence of its own: it is the same however often it is asked for.
        let mut own = Generator(!self.wasi.seed);
        Ok((own.next(), own.next()))
    }
}

// ---- files ----

impl filesystem::preopens::Host for World<'_> {
    fn get_directories(
        &mut self,
    ) -> wasmtime::Result<Vec<(Resource<filesystem::types::Descriptor>, String)>> {
        Ok(Vec::new())
    }
}

// ---- sockets ----

impl sockets::network::Host for World<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        _: Resource<io::error::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl sockets::network::HostNetwork for World<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl sockets::tcp_create_socket::Host for World<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl sockets::udp_create_socket::Host for World<'_> {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl sockets::ip_name_lookup::Host for World<'_> {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        _: String,
    ) -> SocketResult<Resource<sockets::ip_name_lookup::ResolveAddressStream>> {
        Err(ErrorCode::PermanentResolverFailure.into())
    }
}

/// Of streams that nobody has.
impl sockets::ip_name_lookup::HostResolveAddressStream for World<'_> {
    fn resolve_next_address(
        &mut self,
        _: Resource<sockets::ip_name_lookup::ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        Err(ErrorCode::PermanentResolverFailure.into())
    }

    fn subscribe(
        &mut self,
        _: Resource<sockets::ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        bail!("no name is being looked up")
    }

    fn drop(
        &mut self,
        _: Resource<sockets::ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<()> {
        Ok(())
    }
}

//! What a plugin prints, as lines of its call's log.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::{fault::LogLevel, limits::LOG_LINE_BYTES, state::Log};

/// What a stream takes at once, in bytes; WASI's own bound for writes that block.
const WRITE_MAX_BYTES: usize = 4096;

/// Where a plugin prints to.
pub(super) struct Printer {
    pub(super) level: LogLevel,
    pub(super) printed: Arc<Mutex<Printed>>,
}

impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        lock(&self.printed).write(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}

/// What was printed and is not in the log yet. Where there is too much, the oldest goes:
/// what a runtime prints last is why it died.
pub(super) struct Printed {
    lines: VecDeque<(LogLevel, Vec<u8>)>,
    /// What `lines` cost of a log.
    cost: usize,
    /// Most that they may cost, and most bytes of a line.
    max: usize,
    dropped: u32,
    /// Since the last end of a line, of standard output and of standard error.
    open: [Vec<u8>; 2],
}

impl Printed {
    pub(super) fn new(max: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            cost: 0,
            max,
            dropped: 0,
            open: [Vec::new(), Vec::new()],
        }
    }

    fn write(&mut self, level: LogLevel, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.extend(level, piece);
            let line = std::mem::take(self.open(level));
            self.push(level, line);
        }
        self.extend(level, last);
    }

    /// Ends lines that have begun.
    pub(super) fn end_lines(&mut self) {
        for level in [LogLevel::Info, LogLevel::Error] {
            let line = std::mem::take(self.open(level));
            if !line.is_empty() {
                self.push(level, line);
            }
        }
    }

    fn open(&mut self, level: LogLevel) -> &mut Vec<u8> {
        let [out, err] = &mut self.open;
        if level == LogLevel::Error { err } else { out }
    }

    fn extend(&mut self, level: LogLevel, piece: &[u8]) {
        let max = self.max;
        let line = self.open(level);
        let room = max.saturating_sub(line.len()).min(piece.len());
        line.extend_from_slice(piece.get(..room).unwrap_or_default());
    }

    fn push(&mut self, level: LogLevel, line: Vec<u8>) {
        self.cost += LOG_LINE_BYTES + line.len();
        self.lines.push_back((level, line));
        self.keep(self.max);
    }

    /// Drops the oldest lines until the others cost at most `max`.
    fn keep(&mut self, max: usize) {
        // One line alone may stay: the log cuts it.
        while self.cost > max && self.lines.len() > 1 {
            if let Some((_, oldest)) = self.lines.pop_front() {
                self.cost -= LOG_LINE_BYTES + oldest.len();
                self.dropped = self.dropped.saturating_add(1);
            }
        }
    }

    pub(super) fn move_to(&mut self, log: &mut Log) {
        self.keep(log.left());
        for (level, line) in self.lines.drain(..) {
            log.add(level, &String::from_utf8_lossy(&line));
        }
        self.cost = 0;
        log.dropped = log
            .dropped
            .saturating_add(std::mem::take(&mut self.dropped));
    }
}

/// Only one thread at a time runs an instance, and no panic leaves half a line.
pub(super) fn lock(printed: &Mutex<Printed>) -> MutexGuard<'_, Printed> {
    printed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{super::Wasi, *};

    #[test]
    fn what_is_printed_comes_in_lines_and_the_rest_at_the_end() {
        let (mut wasi, mut log) = (Wasi::new(4096), Log::new(4096));
        let (mut out, mut err) = (wasi.printer(LogLevel::Info), wasi.printer(LogLevel::Error));
        out.write(Bytes::from_static(b"one\ntw")).unwrap();
        err.write(Bytes::from_static(b"panicked\x1b[31m at"))
            .unwrap();
        wasi.flush_lines(&mut log);
        assert_eq!(texts(&log), [(LogLevel::Info, "one")]);
        out.write(Bytes::from_static(b"o\n\n\xff")).unwrap();
        err.write(Bytes::from_static(b" last")).unwrap();
        wasi.flush(&mut log);
        assert_eq!(
            texts(&log)[1..],
            [
                (LogLevel::Info, "two"),
                (LogLevel::Info, ""),
                (LogLevel::Info, "\u{fffd}"),
                (LogLevel::Error, "panicked[31m at last")
            ]
        );
        wasi.flush(&mut log);
        assert_eq!((log.lines.len(), log.dropped), (5, 0));
    }

    #[test]
    fn of_too_much_printed_the_last_lines_stay() {
        let (mut wasi, mut log) = (Wasi::new(400), Log::new(400));
        let mut err = wasi.printer(LogLevel::Error);
        for line in 0..1000 {
            err.write(Bytes::from(format!("line {line}\n"))).unwrap();
        }
        err.write(Bytes::from(vec![b'x'; 100_000])).unwrap();
        err.write(Bytes::from_static(b"\npanicked")).unwrap();
        assert!(lock(wasi.printed.as_ref().unwrap()).cost <= 400 + LOG_LINE_BYTES);
        wasi.flush(&mut log);
        assert_eq!(log.lines.last().unwrap().text, "panicked");
        assert_eq!(log.lines.len() + log.dropped as usize, 1002);
    }

    fn texts(log: &Log) -> Vec<(LogLevel, &str)> {
        let texts = log.lines.iter();
        texts.map(|line| (line.level, line.text.as_str())).collect()
    }
}

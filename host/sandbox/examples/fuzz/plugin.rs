//! What plugins return: any bytes at all where the host looks for an answer.
//!
//! The plugin is one that passed the gate and returns what its configuration says: the
//! configuration holds, as hexadecimal digits, the bytes that come to lie where the host
//! is then told to look. An input is a byte that says which function is asked, and those
//! bytes. As answers are made, every length, place and case in them may be a lie.

use gavel_sandbox::{Plugin, Response, Won};
use rand::{Rng as _, RngCore as _, rngs::SmallRng, seq::IndexedRandom as _};

use crate::{Target, guest::Guest, host::Host, rules};

/// Where the bytes lie in the plugin's memory, and how many there are at most.
const AT: u32 = 131_072;
const MAX_BYTES: usize = 12 << 10;

/// Turns the configuration's digits into bytes at [`AT`].
const READ: &str = "(func $read (param $from i32) (param $left i32) (local $to i32)
    (local.set $to (i32.const 131072))
    (block $done (loop $on
      (br_if $done (i32.lt_u (local.get $left) (i32.const 2)))
      (i32.store8 (local.get $to) (i32.or
        (i32.shl (call $digit (i32.load8_u (local.get $from))) (i32.const 4))
        (call $digit (i32.load8_u offset=1 (local.get $from)))))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (local.set $from (i32.add (local.get $from) (i32.const 2)))
      (local.set $left (i32.sub (local.get $left) (i32.const 2)))
      (br $on))))
  (func $digit (param $char i32) (result i32)
    (i32.sub (local.get $char) (select (i32.const 87) (i32.const 48) (i32.ge_u (local.get $char) (i32.const 97)))))";

/// The function that is asked.
#[derive(Clone, Copy)]
enum Asked {
    Qualify,
    Ping,
    Post,
    Open,
    Describe,
}

impl Asked {
    fn of(byte: u8) -> Self {
        match byte % 64 {
            0..16 => Self::Qualify,
            16..36 => Self::Ping,
            36..56 => Self::Post,
            56..63 => Self::Open,
            // Compiled anew each time, so seldom.
            _ => Self::Describe,
        }
    }
}

pub(crate) struct Plugins {
    modules: [Vec<u8>; 3],
    loaded: std::sync::OnceLock<[Plugin; 3]>,
}

impl Plugins {
    pub(crate) fn new() -> Self {
        let echo = |guest: Guest| {
            let answer = format!("(i32.const {AT})");
            let open = format!("(call $read (local.get 0) (local.get 1)) {}", guest.open);
            Guest {
                items: READ.into(),
                pages: 4,
                open,
                qualify: answer.clone(),
                ping: answer.clone(),
                post: answer,
                ..guest
            }
        };
        let opens = Guest {
            open: format!("(call $read (local.get 0) (local.get 1)) (i32.const {AT})"),
            ..echo(Guest::filter())
        };
        let guests = [echo(Guest::filter()), echo(Guest::adapter()), opens];
        Self {
            modules: guests.map(|guest| guest.module()),
            loaded: std::sync::OnceLock::new(),
        }
    }

    fn plugins(&self, host: &Host) -> &[Plugin; 3] {
        self.loaded.get_or_init(|| {
            let modules = self.modules.each_ref();
            modules.map(|module| host.load(module).expect("the gate lets it through"))
        })
    }
}

impl Target for Plugins {
    fn name(&self) -> &'static str {
        "plugin"
    }

    fn quickness(&self) -> u64 {
        10
    }

    fn input(&self, random: &mut SmallRng) -> Vec<u8> {
        let which = random.random();
        let mut memory = Memory::new();
        if random.random_bool(0.1) {
            memory.bytes.resize(random.random_range(0..256), 0);
            random.fill_bytes(&mut memory.bytes);
        } else {
            memory.answer(random, Asked::of(which));
        }
        memory.bytes.truncate(MAX_BYTES);
        [vec![which], memory.bytes].concat()
    }

    fn run(&self, host: &Host, input: &[u8]) -> String {
        let Some((which, bytes)) = input.split_first() else {
            return "nothing".into();
        };
        let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
        let config = bytes.iter().map(|byte| format!("{byte:02x}"));
        let config = config.collect::<Vec<_>>().concat();
        let call = Host::call(&config);
        let [filter, adapter, opens] = self.plugins(host);
        let outcome = match Asked::of(*which) {
            Asked::Qualify => host
                .wait(filter.qualify(&call, &host.pinged()))
                .inspect(rules::called)
                .map(|called| rules::verdict(&called.value).to_owned()),
            Asked::Ping => host
                .wait(adapter.ping(&call, &host.pinged(), &[]))
                .inspect(rules::called)
                .map(|called| rules::ping(&called.value).to_owned()),
            Asked::Post => {
                let answer = Response {
                    status: 200,
                    headers: vec![("a".into(), "b".into())],
                    body: bytes.to_vec(),
                };
                host.wait(adapter.post(&call, &host.posted(), &Won::default(), &[answer]))
                    .inspect(rules::called)
                    .map(|called| rules::post(&called.value).to_owned())
            }
            Asked::Open => host
                .wait(opens.qualify(&call, &host.pinged()))
                .inspect(rules::called)
                .map(|called| rules::verdict(&called.value).to_owned()),
            Asked::Describe => return describe(host, bytes),
        };
        outcome.unwrap_or_else(|fault| rules::fault(&fault))
    }
}

/// A plugin whose `describe` returns `bytes`.
fn describe(host: &Host, bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|byte| format!("\\{byte:02x}"));
    let escaped = escaped.collect::<Vec<_>>().concat();
    let guest = Guest {
        items: format!("(data (i32.const {AT}) \"{escaped}\")"),
        pages: 4,
        describe: format!("(i32.const {AT})"),
        ..Guest::filter()
    };
    match host.load(&guest.module()) {
        Err(error) => format!("{} in describe", rules::gate(&error)),
        Ok(plugin) => {
            rules::about(plugin.about());
            "described".into()
        }
    }
}

/// Memory in the making: an answer in front, what it points to behind.
struct Memory {
    bytes: Vec<u8>,
}

/// How long the longest answer is.
const ANSWER_BYTES: usize = 64;

impl Memory {
    fn new() -> Self {
        Self {
            bytes: vec![0; ANSWER_BYTES],
        }
    }

    /// An answer of that function's type, with lies in it.
    fn answer(&mut self, random: &mut SmallRng, asked: Asked) {
        match asked {
            Asked::Qualify => self.result(random, 2, |memory, random, case| {
                if case == 1 {
                    memory.texts(random, &[8, 16]);
                }
            }),
            Asked::Ping => self.result(random, 3, |memory, random, case| match case {
                0 => memory.request(random),
                1 => memory.options(random, &[8, 20]),
                _ => memory.texts(random, &[8]),
            }),
            Asked::Post => self.result(random, 3, |memory, random, case| match case {
                0 => memory.request(random),
                1 => memory.options(random, &[8, 20, 32]),
                _ => memory.texts(random, &[8, 16]),
            }),
            Asked::Open => {
                let fails = random.random_range(0..3);
                self.word(random, 0, fails);
                let handle = random.random_range(0..4);
                self.word(random, 4, handle);
                if fails == 1 {
                    self.texts(random, &[4]);
                }
            }
            Asked::Describe => {
                self.texts(random, &[0, 8, 16]);
                if random.random_bool(0.7) {
                    self.text_of(random, 24, crate::schema::schema);
                } else {
                    self.texts(random, &[24]);
                }
                self.list(random, 32, &[0], 8);
            }
        }
    }

    /// A result: mostly ok, of one of so many cases.
    fn result(
        &mut self,
        random: &mut SmallRng,
        cases: u32,
        fill: impl FnOnce(&mut Self, &mut SmallRng, u32),
    ) {
        if random.random_bool(0.15) {
            self.word(random, 0, 1);
            return self.texts(random, &[4]);
        }
        let case = random.random_range(0..cases);
        self.word(random, 0, 0);
        self.word(random, 4, case);
        fill(self, random, case);
    }

    fn request(&mut self, random: &mut SmallRng) {
        self.text_of(random, 8, |random| {
            pick(
                random,
                &[
                    "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "DELETE", "CONNECT", "post",
                ],
            )
        });
        self.text_of(random, 16, |random| {
            pick(
                random,
                &[
                    "https://buyer.example/",
                    "http://a/{{secret:KEY}}",
                    "/",
                    "https://a/ b",
                    "\r\n",
                ],
            )
        });
        self.list(random, 24, &[0, 8], 16);
        self.texts(random, &[32]);
    }

    fn options(&mut self, random: &mut SmallRng, places: &[usize]) {
        for place in places {
            let is_there = random.random_range(0..2);
            self.word(random, *place, is_there);
            self.texts(random, &[place + 4]);
        }
    }

    /// A list of records of texts.
    fn list(&mut self, random: &mut SmallRng, place: usize, texts: &[usize], record: usize) {
        let count = random.random_range(0..6);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let at = self.bytes.len();
        self.bytes.resize(at + count * record, 0);
        for each in 0..count {
            for text in texts {
                self.texts(random, &[at + each * record + text]);
            }
        }
        self.place(random, place, at, count);
    }

    fn texts(&mut self, random: &mut SmallRng, places: &[usize]) {
        for place in places {
            self.text_of(random, *place, text);
        }
    }

    fn text_of(
        &mut self,
        random: &mut SmallRng,
        place: usize,
        text: impl FnOnce(&mut SmallRng) -> String,
    ) {
        let mut text = text(random).into_bytes();
        if random.random_bool(0.03) && !text.is_empty() {
            let at = random.random_range(0..text.len());
            text[at] = random.random();
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&text);
        self.place(random, place, at, text.len());
    }

    /// Where something lies and how much of it there is.
    fn place(&mut self, random: &mut SmallRng, place: usize, at: usize, count: usize) {
        self.word(random, place, AT + u32::try_from(at).expect("it is small"));
        self.word(
            random,
            place + 4,
            u32::try_from(count).expect("it is small"),
        );
    }

    /// A number, or now and then a lie in its place.
    fn word(&mut self, random: &mut SmallRng, place: usize, number: u32) {
        let number = if random.random_bool(0.03) {
            lie(random, number)
        } else {
            number
        };
        self.bytes[place..place + 4].copy_from_slice(&number.to_le_bytes());
    }
}

fn lie(random: &mut SmallRng, truth: u32) -> u32 {
    let lies = [
        0,
        1,
        2,
        3,
        255,
        256,
        truth ^ 1,
        truth.wrapping_add(1),
        truth.wrapping_mul(3),
        65_535,
        262_143,
        262_144,
        1 << 20,
        1 << 30,
        i32::MAX as u32,
        1 << 31,
        u32::MAX - 7,
        u32::MAX,
    ];
    if random.random_bool(0.2) {
        random.random()
    } else {
        *lies.choose(random).expect("some")
    }
}

fn pick(random: &mut SmallRng, texts: &[&str]) -> String {
    (*texts.choose(random).expect("some")).to_owned()
}

/// Texts of which the host accepts some.
pub(crate) fn text(random: &mut SmallRng) -> String {
    const TEXTS: [&str; 40] = [
        "",
        "roof_shaded",
        "Roof shaded",
        "a",
        "_a",
        "a1_",
        "ä",
        "12.50",
        "0",
        "1000000",
        "1000000.0001",
        "1000000.01",
        "-1",
        "1e9",
        "NaN",
        "00",
        "0.12345",
        "٣",
        "buyer-7",
        "https://buyer.example/thanks",
        "HTTPS://a",
        "http://",
        "httpsx://a",
        "javascript:alert(1)",
        "accept",
        "Content-Type",
        "host",
        "Host",
        "transfer-encoding",
        "content-length ",
        "te\r\nx",
        "proxy-x",
        "{{secret:KEY}}",
        "\u{202e}gnp.exe",
        "\u{2028}",
        "\x1b[2J",
        "\0",
        "\u{85}",
        "\u{feff}",
        "{\"a\": 1}",
    ];
    if random.random_bool(0.4) {
        return pick(
            random,
            &[
                "roof_shaded",
                "a1_",
                "accept",
                "12.50",
                "https://buyer.example/thanks",
            ],
        );
    }
    let text = pick(random, &TEXTS);
    match random.random_range(0..12) {
        0 => text.repeat(random.random_range(0..200)),
        1 => format!("{text}{}", pick(random, &TEXTS)),
        2 => (0..random.random_range(0..80))
            .map(|_| random.random::<char>())
            .collect(),
        _ => text,
    }
}

//! `gavel plugin run`: what a plugin says to one lead, and what that costs.

use std::time::{Duration, Instant};

use gavel_exchange::cases::{self, Driven, End, Parts, Scenario, Stage, Trouble, in_words};
use gavel_market::{
    file::MarketError,
    model::{CallLimits, Instances},
};
use gavel_sandbox::{FaultKind, PingStep, Plugin, PostStep, Request, Response, Verdict};
use serde_json::{Map, Value, json};

use super::{
    cli::RunArgs,
    fault,
    figures::{self, BAD, Figure, GOOD, Measure, TITLE, median, styled},
    local,
};
use crate::out::{self, Failure};

/// Timed calls end after this long, however few they were: of a slow plugin a handful will do.
const TIMING_MAX: Duration = Duration::from_secs(3);

/// What a call may take that is made once more only to see what it would need.
const ROOMY: CallLimits = CallLimits {
    memory: gavel_sandbox::limits::MEMORY_MAX_BYTES,
    time: Duration::from_secs(10),
    log: 1 << 20,
};

/// Asks once and shows everything about it.
pub(super) async fn run(args: &RunArgs) -> Result<(), Failure> {
    let scenario = scenario(args)?;
    let bytes = local::bytes(&args.file)?;
    let (size, limits) = (bytes.len(), args.limits.limits());
    let plugin = local::load(&args.file, bytes, limits).await?;
    let driven = scenario.drive(&plugin, limits).await;
    let measured = Measured::of(&plugin, &scenario, &driven, (limits, args.calls)).await;
    let figures = measured.figures(&driven, limits, size);
    if args.json {
        let mut whole = json(&plugin, &scenario, &driven, &figures);
        if let Some(whole) = whole.as_object_mut() {
            whole.insert("stateful".to_owned(), measured.stateful.into());
        }
        out::line(&serde_json::to_string_pretty(&whole).unwrap_or_default());
    } else {
        tell(&plugin, &scenario, &driven, &figures);
        if let Some(how) = &measured.stateful {
            let words = format!("keeps state: in a reused instance it answered otherwise: {how}");
            out::line(&styled(BAD.bold(), &words));
        }
    }
    match &driven.end {
        Ok(_) => Ok(()),
        Err(Trouble::Config(refused)) => Err(Failure(format!(
            "the plugin does not take this configuration: {refused}"
        ))),
        Err(Trouble::Fault(fault)) => Err(Failure(format!(
            "the plugin gave no answer: {} in {}",
            fault.kind.outcome(),
            fault.function
        ))),
    }
}

/// What the files say.
fn scenario(args: &RunArgs) -> Result<Scenario, Failure> {
    let file = |path: &Option<std::path::PathBuf>| match path {
        Some(path) => local::data(path),
        None => Ok(Value::Null),
    };
    // TOML has no lists at the top, and a file of cases has more than the fields.
    let within = |whole: Value, key: &str| match whole {
        Value::Object(mut whole) if whole.contains_key(key) => {
            whole.remove(key).unwrap_or_default()
        }
        other => other,
    };
    let parts = Parts {
        config: file(&args.config)?,
        lead: file(&args.lead)?,
        fields: within(file(&args.fields)?, "fields"),
        answers: within(file(&args.answers)?, "answers"),
        won: file(&args.won)?,
        stage: args.stage.into(),
    };
    cases::scenario(parts).map_err(|errors| {
        let lines = errors.iter().map(MarketError::to_string);
        let lines: Vec<String> = lines.map(|line| format!("--{line}")).collect();
        Failure(lines.join("\n"))
    })
}

/// What the calls took, beyond the one that is shown.
struct Measured {
    fresh: Vec<Duration>,
    /// None at the post, where instances are never reused.
    reused: Vec<Duration>,
    /// How a reused instance's answer differed from a fresh one's.
    stateful: Option<String>,
    /// What a call that was stopped at a limit would have needed.
    needed: Option<Driven>,
}

impl Measured {
    /// Makes the last call again and again, in fresh instances and in a reused one.
    async fn of(
        plugin: &Plugin,
        scenario: &Scenario,
        driven: &Driven,
        (limits, calls): (CallLimits, u32),
    ) -> Self {
        let again = async |instances, calls| {
            let mut times = Vec::new();
            let (call, started) = (scenario.call(limits, instances), Instant::now());
            while driven.end.is_ok()
                && times.len() < calls as usize
                && started.elapsed() < TIMING_MAX
            {
                match scenario.ask(plugin, &call, driven.sent.len()).await {
                    Ok(called) => times.push(called.cpu),
                    Err(_) => break,
                }
            }
            times
        };
        let fresh = again(Instances::Fresh, calls).await;
        let mut reused = Vec::new();
        if scenario.stage == Stage::Ping {
            // The first one starts the instance, as a fresh call does.
            reused = again(Instances::Reused, calls.saturating_add(1)).await;
            reused.drain(..reused.len().min(1));
        }
        Self {
            fresh,
            reused,
            stateful: plugin.stateful(),
            needed: needed(plugin, scenario, driven).await,
        }
    }
}

/// The same with room, where a limit was in the way.
async fn needed(plugin: &Plugin, scenario: &Scenario, driven: &Driven) -> Option<Driven> {
    let stopped = match &driven.end {
        Err(Trouble::Fault(fault)) => matches!(fault.kind, FaultKind::Time | FaultKind::Memory),
        _ => driven.lines_dropped > 0,
    };
    if !stopped {
        return None;
    }
    let roomy = scenario.drive(plugin, ROOMY).await;
    roomy.end.is_ok().then_some(roomy)
}

impl Measured {
    fn figures(&self, driven: &Driven, limits: CallLimits, size: usize) -> Vec<Figure> {
        let figure = |name, used, limit, note: &str| Figure {
            name,
            used,
            limit,
            note: note.to_owned(),
        };
        let time_limit = Measure::Time(limits.time);
        let (of, note) = match &self.needed {
            Some(roomy) => (roomy, "with more room"),
            None => (driven, ""),
        };
        let mut figures = Vec::new();
        // A plugin that was caught keeping state was given fresh instances from then on.
        let reused = if self.stateful.is_some() {
            &[][..]
        } else {
            &self.reused
        };
        for (name, times) in [("time, fresh", &self.fresh[..]), ("time, reused", reused)] {
            if let Some(time) = median(times.to_vec()) {
                let note = format!("median of {} calls", times.len());
                figures.push(figure(name, Measure::Time(time), time_limit, &note));
            }
        }
        if self.fresh.is_empty() && of.end.is_ok() {
            figures.push(figure(
                "time, fresh",
                Measure::Time(of.cpu),
                time_limit,
                note,
            ));
        }
        if of.end.is_ok() {
            let (memory, limit) = (Measure::Bytes(of.memory), Measure::Bytes(limits.memory));
            figures.push(figure("memory", memory, limit, note));
        }
        let log = Measure::Bytes(of.log_bytes);
        figures.push(figure("log", log, Measure::Bytes(limits.log), note));
        let size_max = Measure::Bytes(local::size_max());
        figures.push(figure("size", Measure::Bytes(size), size_max, ""));
        figures
    }
}

/// For a person.
fn tell(plugin: &Plugin, scenario: &Scenario, driven: &Driven, figures: &[Figure]) {
    let about = plugin.about();
    out::line(&format!(
        "{} {}, {} {}  {}",
        styled(TITLE, &about.name),
        about.version,
        plugin.kind(),
        plugin.digest().short(),
        about.summary
    ));
    out::line("");
    for (at, (request, answer)) in driven.sent.iter().zip(&scenario.answers).enumerate() {
        out::line(&styled(TITLE, &format!("request {}", at + 1)));
        out::lines(&request_lines(request));
        out::line(&styled(TITLE, &format!("answer {}", at + 1)));
        out::lines(&answer_lines(answer));
    }
    let lines = match &driven.end {
        Ok(end) => result_lines(end, driven.sent.len()),
        Err(Trouble::Fault(fault)) => fault::lines(fault),
        Err(Trouble::Config(refused)) => vec![format!(
            "{}  {}",
            styled(TITLE, "configuration"),
            styled(BAD, &refused.to_string())
        )],
    };
    out::lines(&lines);
    out::line("");
    // What a call had read before it failed is not kept.
    if driven.end.is_ok() {
        let read = match driven.fields_read.as_slice() {
            [] => "none".to_owned(),
            fields => fields.join(", "),
        };
        out::line(&format!("{}  {read}", styled(TITLE, "fields read")));
    }
    out::line(&styled(TITLE, "log"));
    let log = fault::log_lines(&driven.log, driven.lines_dropped, driven.end.is_err());
    if log.is_empty() {
        out::line("  (nothing)");
    }
    out::lines(&log);
    out::line("");
    out::lines(&figures::lines(figures));
}

fn result_lines(end: &End, requests: usize) -> Vec<String> {
    match end.request() {
        Some(request) => {
            let mut lines = vec![styled(TITLE, &format!("request {}", requests + 1))];
            lines.extend(request_lines(request));
            lines.push("  (give its answer with --answers to go on)".to_owned());
            lines
        }
        None => vec![format!(
            "{}  {}",
            styled(TITLE, "result"),
            styled(GOOD.bold(), &in_words(&Ok(end.clone())))
        )],
    }
}

/// Without what could steer a terminal; line ends stay.
fn plain(text: &str) -> String {
    let hidden = |letter: &char| letter.is_control() && *letter != '\n' && *letter != '\t';
    text.chars().filter(|letter| !hidden(letter)).collect()
}

fn request_lines(request: &Request) -> Vec<String> {
    let mut lines = vec![format!("  {} {}", request.method, plain(&request.url))];
    lines.extend(head_and_body(&request.headers, &request.body));
    lines
}

fn answer_lines(answer: &Response) -> Vec<String> {
    let mut lines = vec![format!("  {}", answer.status)];
    lines.extend(head_and_body(&answer.headers, &answer.body));
    lines
}

fn head_and_body(headers: &[(String, String)], body: &[u8]) -> Vec<String> {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("  {}: {}", plain(name), plain(value)));
    let text = plain(&String::from_utf8_lossy(body));
    headers
        .chain(text.lines().map(|line| format!("  {line}")))
        .collect()
}

/// For programs.
fn json(plugin: &Plugin, scenario: &Scenario, driven: &Driven, figures: &[Figure]) -> Value {
    let about = plugin.about();
    let answers = scenario.answers.iter().take(driven.sent.len());
    let mut whole = json!({
        "plugin": {"name": about.name, "version": about.version, "kind": plugin.kind().to_string(), "digest": plugin.digest()},
        "requests": driven.sent.iter().map(request_json).collect::<Vec<_>>(),
        "answers": answers.map(answer_json).collect::<Vec<_>>(),
        "fields_read": driven.fields_read,
        "log": fault::log_json(&driven.log),
        "lines_dropped": driven.lines_dropped,
        "figures": figures::json(figures),
    });
    let (key, value) = match &driven.end {
        Ok(end) => ("result", end_json(end)),
        Err(Trouble::Fault(fault)) => ("fault", fault::json(fault)),
        Err(Trouble::Config(refused)) => (
            "config_refused",
            json!({"path": refused.path, "message": refused.message}),
        ),
    };
    if let Some(whole) = whole.as_object_mut() {
        whole.insert(key.to_owned(), value);
    }
    whole
}

/// `{"outcome": "bid", "amount": "12.50"}`, in the words that a file of cases expects.
fn end_json(end: &End) -> Value {
    let amount = |amount: &gavel_sandbox::Amount| match amount {
        gavel_sandbox::Amount::Valid(amount) => amount.to_string(),
        gavel_sandbox::Amount::Invalid => "invalid".to_owned(),
    };
    match end {
        End::Verdict(Verdict::Qualified) => json!({"outcome": "qualified"}),
        End::Verdict(Verdict::Disqualified { code, detail }) => {
            json!({"outcome": "disqualified", "code": code, "detail": detail})
        }
        End::Ping(PingStep::Send(request)) | End::Post(PostStep::Send(request)) => {
            json!({"outcome": "send", "request": request_json(request)})
        }
        End::Ping(PingStep::Bid {
            amount: offered,
            reference,
        }) => {
            json!({"outcome": "bid", "amount": offered.as_ref().map(amount), "reference": reference})
        }
        End::Ping(PingStep::NoBid(words)) => json!({"outcome": "no_bid", "words": words}),
        End::Post(PostStep::Accepted {
            reference,
            price,
            redirect_url,
        }) => {
            json!({"outcome": "accepted", "reference": reference, "price": price.as_ref().map(amount), "redirect_url": redirect_url})
        }
        End::Post(PostStep::Rejected { code, detail }) => {
            json!({"outcome": "rejected", "code": code, "detail": detail})
        }
    }
}

fn request_json(request: &Request) -> Value {
    json!({
        "method": request.method,
        "url": request.url,
        "headers": headers_json(&request.headers),
        "body": String::from_utf8_lossy(&request.body),
    })
}

fn answer_json(answer: &Response) -> Value {
    json!({
        "status": answer.status,
        "headers": headers_json(&answer.headers),
        "body": String::from_utf8_lossy(&answer.body),
    })
}

fn headers_json(headers: &[(String, String)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        map.entry(name.clone())
            .and_modify(|before| {
                *before = format!("{}, {value}", before.as_str().unwrap_or_default()).into();
            })
            .or_insert_with(|| value.as_str().into());
    }
    map
}

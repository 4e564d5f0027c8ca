//! A file of cases, read key by key; everything that is wrong is found at once.

use std::{fmt, sync::Arc};

use gavel_market::{
    field::FieldSpec,
    file::{
        MarketError, code,
        reading::{self, Findings, NodeValue, Section, Spot, Table},
    },
};
use serde_json::{Map, Value as Json};

use super::{
    CASE_FILE_MAX_BYTES, CASES_MAX, Case, Scenario, Stage, exchange,
    expect::Expected,
    lead::{self, Said},
};

/// Why a file holds no cases that could be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFileError {
    /// The file's name.
    pub file: String,
    /// Everything that is wrong with it, in the file's order; at least one.
    pub problems: Vec<CaseProblem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseProblem {
    /// In which case, such as `case 2 "full shade is refused"`; none where it is the file's.
    pub case: Option<String>,
    /// Where: a key's path within the case, or within the file.
    pub error: MarketError,
}

/// `cases.toml:7: case 2 "full shade is refused": expect.bid.amonut: there is no key …`
impl fmt::Display for CaseFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(line) = problem.error.line {
                write!(f, ":{line}")?;
            }
            for part in problem.case.iter().chain([&problem.error.path]) {
                if !part.is_empty() {
                    write!(f, ": {part}")?;
                }
            }
            write!(f, ": {}", problem.error.message)?;
            if let Some(suggestion) = &problem.error.suggestion {
                write!(f, " (did you mean {suggestion:?}?)")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for CaseFileError {}

/// The cases of one file, in its order. `name` ends in `.toml` or `.json`, which says how the
/// text is read.
pub fn read(name: &str, text: &str) -> Result<Vec<Case>, CaseFileError> {
    let fail = |error: MarketError| CaseFileError {
        file: name.to_owned(),
        problems: vec![CaseProblem { case: None, error }],
    };
    let table = parse(name, text).map_err(fail)?;
    let findings = Findings::default();
    let cases = cases(Section::root(&findings, &table));
    if findings.count() == 0 {
        return Ok(cases);
    }
    let names = names(&table);
    let problems = findings.into_errors().into_iter();
    Err(CaseFileError {
        file: name.to_owned(),
        problems: problems.map(|error| placed(error, &names)).collect(),
    })
}

fn parse(name: &str, text: &str) -> Result<Table, MarketError> {
    if text.len() > CASE_FILE_MAX_BYTES {
        return Err(MarketError::new(
            "",
            code::TOO_LONG,
            format!(
                "has {} bytes; a file of cases has at most {CASE_FILE_MAX_BYTES}",
                text.len()
            ),
        ));
    }
    let ends = |end: &str| {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        extension.eq_ignore_ascii_case(end)
    };
    if ends("toml") {
        reading::from_toml(text)
    } else if ends("json") {
        reading::from_json(text)
    } else {
        Err(MarketError::new(
            "",
            code::BAD_FORMAT,
            "a file of cases is called .toml or .json",
        ))
    }
}

/// What the cases are called, for errors; nothing where that is not to be had.
fn names(table: &Table) -> Vec<Option<String>> {
    let list = table.entries.iter().find(|entry| entry.key == "case");
    let Some(NodeValue::List(items)) = list.map(|entry| &entry.node.value) else {
        return Vec::new();
    };
    let name = |item: &reading::Node| match &item.value {
        NodeValue::Table(case) => case
            .entries
            .iter()
            .find(|entry| entry.key == "name")
            .and_then(|entry| match &entry.node.value {
                NodeValue::Text(text) => Some(text.clone()),
                _ => None,
            }),
        _ => None,
    };
    items.iter().map(name).collect()
}

/// An error of `case[1].lead` is one of the second case's, and of its name.
fn placed(mut error: MarketError, names: &[Option<String>]) -> CaseProblem {
    let of_case = error.path.strip_prefix("case[").and_then(|rest| {
        let (number, rest) = rest.split_once(']')?;
        Some((number.parse::<usize>().ok()?, rest.trim_start_matches('.')))
    });
    let Some((at, rest)) = of_case else {
        return CaseProblem { case: None, error };
    };
    let case = match names.get(at).and_then(Option::as_ref) {
        Some(name) => format!("case {} {name:?}", at + 1),
        None => format!("case {}", at + 1),
    };
    error.path = rest.to_owned();
    CaseProblem {
        case: Some(case),
        error,
    }
}

/// What a file says for all of its cases.
#[derive(Default)]
struct Shared {
    config: Option<Json>,
    stage: Option<Stage>,
    fields: Fields,
    lead: Vec<(String, Json)>,
    said: Said,
}

/// Types of lead fields; `faulty` are those whose values cannot be read.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) specs: Vec<FieldSpec>,
    pub(super) faulty: Vec<Arc<str>>,
}

impl Fields {
    fn read(section: &mut Section<'_>) -> Self {
        let (specs, faulty) = reading::fields(section);
        let faulty = faulty.iter().filter_map(|at| specs.get(*at));
        Self {
            faulty: faulty.map(|spec| Arc::clone(&spec.name)).collect(),
            specs,
        }
    }
}

fn cases(mut root: Section<'_>) -> Vec<Case> {
    let shared = Shared {
        config: config(&mut root),
        stage: stage(&mut root),
        fields: Fields::read(&mut root),
        lead: lead::raw(&mut root),
        said: Said::read(&mut root, &Said::default()),
    };
    let mut cases: Vec<Case> = Vec::new();
    match root.get("case") {
        None => root.error(
            Some("case"),
            code::MISSING,
            "a file of cases has at least one [[case]]",
        ),
        Some(list) => {
            for item in list.items(CASES_MAX).into_iter().flatten() {
                let Some(case) = item.section().and_then(|section| case(section, &shared)) else {
                    continue;
                };
                if cases.iter().any(|other| other.name == case.name) {
                    item.error(code::DUPLICATE, "another case of this file has this name");
                }
                cases.push(case);
            }
        }
    }
    root.finish();
    cases
}

fn case(mut section: Section<'_>, shared: &Shared) -> Option<Case> {
    let name = section.require("name").and_then(|spot| name(&spot));
    let requests = exchange::requests(&mut section);
    let expected = section
        .require("expect")
        .and_then(|spot| Expected::read(&spot));
    let scenario = scenario_of(&mut section, shared);
    section.finish();
    Some(Case {
        name: name?.to_owned(),
        scenario: scenario?,
        requests,
        expected: expected?,
    })
}

/// A name goes to terminals and into reports.
fn name<'a>(spot: &Spot<'a>) -> Option<&'a str> {
    let name = spot.words()?;
    if name.contains(char::is_control) {
        spot.error(code::BAD_FORMAT, "a name has no control characters");
        return None;
    }
    Some(name)
}

/// What a plugin is shown, from a case's keys and the file's.
fn scenario_of(section: &mut Section<'_>, shared: &Shared) -> Option<Scenario> {
    let config = config(section)
        .or_else(|| shared.config.clone())
        .unwrap_or_else(|| Map::new().into());
    let stage = stage(section).or(shared.stage).unwrap_or_default();
    let said = Said::read(section, &shared.said);
    let lead = lead::read(section, &shared.fields, &shared.lead, &said.lead_type);
    let answers = exchange::answers(section);
    Some(Scenario {
        config: config.to_string().into(),
        stage,
        lead: Arc::new(lead?),
        transaction: Arc::new(said.transaction),
        order: said.order,
        answers,
        won: said.won,
    })
}

fn config(section: &mut Section<'_>) -> Option<Json> {
    let spot = section.get("config")?;
    spot.section()?;
    let json = spot.node.to_json();
    if json.is_none() {
        spot.error(code::BAD_FORMAT, "JSON has no `nan` and no `inf`");
    }
    json
}

fn stage(section: &mut Section<'_>) -> Option<Stage> {
    let words = [("ping", Stage::Ping), ("post", Stage::Post)];
    section
        .get("stage")
        .and_then(|spot: Spot<'_>| spot.word(&words))
}

/// What `gavel plugin run` is given, each part from a file of its own; null where there is none.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The configuration.
    pub config: Json,
    /// A lead's fields.
    pub lead: Json,
    /// Types of lead fields, as a market's lead type has them.
    pub fields: Json,
    /// A list of answers.
    pub answers: Json,
    /// What the ping offered.
    pub won: Json,
    /// When the plugin is asked.
    pub stage: Stage,
}

/// One scenario without an expectation. Problems name the part as their path's first key.
pub fn scenario(parts: Parts) -> Result<Scenario, Vec<MarketError>> {
    let whole: Map<String, Json> = [
        ("config", parts.config),
        ("lead", parts.lead),
        ("fields", parts.fields),
        ("answers", parts.answers),
        ("won", parts.won),
    ]
    .into_iter()
    .filter(|(_, part)| !part.is_null())
    .map(|(key, part)| (key.to_owned(), part))
    .collect();
    let table =
        reading::from_json(&Json::Object(whole).to_string()).map_err(|error| vec![error])?;
    let findings = Findings::default();
    let mut root = Section::root(&findings, &table);
    let shared = Shared {
        stage: Some(parts.stage),
        fields: Fields::read(&mut root),
        ..Shared::default()
    };
    let scenario = scenario_of(&mut root, &shared);
    root.finish();
    match scenario {
        Some(scenario) if findings.count() == 0 => Ok(scenario),
        _ => Err(findings.into_errors()),
    }
}

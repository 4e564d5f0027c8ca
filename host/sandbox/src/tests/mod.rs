//! The sandbox against plugins that behave and plugins that do not.

mod abuse;
mod busy;
mod calls;
mod gate;
mod guest;
mod hostile;
mod reused;
mod same;
mod sealed;
mod wasi;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use gavel_market::{
    field::{FieldSpec, FieldType, Value},
    ids::PluginName,
    lead::{FullLead, PingLead},
    model::{CallLimits, Instances, LeadType},
};

use self::guest::Guest;
use crate::{
    Call, Fault, PingStep, PingView, Plugin, PostView, Sandbox, SandboxSettings, Transaction,
    Verdict,
};

/// Memory enough for the guests here, and time enough for a machine that runs all tests at once.
const LIMITS: CallLimits = CallLimits {
    memory: 1 << 20,
    time: Duration::from_millis(50),
    log: 4 << 10,
};

fn small() -> SandboxSettings {
    SandboxSettings {
        concurrent_calls: 16,
        warm_instances: 16,
        reused_instances: 16,
        ..SandboxSettings::default()
    }
}

/// The sandbox that most tests share: what one test's plugin does must not show in another's.
fn sandbox() -> &'static Sandbox {
    static SHARED: OnceLock<Sandbox> = OnceLock::new();
    SHARED.get_or_init(|| Sandbox::new(small()).expect("a sandbox"))
}

fn name() -> PluginName {
    "test".parse().expect("a name")
}

fn load(guest: &Guest) -> Plugin {
    sandbox()
        .load(&name(), &guest.module(), LIMITS)
        .expect("the gate lets it through")
}

fn call() -> Call {
    Call {
        account: "roofs-west".parse().expect("a name"),
        config: "{}".into(),
        limits: LIMITS,
        order: "po_01.3fa1".into(),
        instances: Instances::Fresh,
    }
}

/// A field of every kind of value; `email` is personal, and so is `note` in this lead, by its looks.
fn lead_type() -> Arc<LeadType> {
    let text = || FieldType::Text {
        one_of: None,
        pattern: None,
        max_length: 100,
        no_personal_check: false,
    };
    let field = |name: &str, kind, personal| FieldSpec {
        name: name.into(),
        kind,
        personal,
        description: None,
    };
    let fields = vec![
        field("shade", text(), false),
        field("email", FieldType::Email, true),
        field(
            "size",
            FieldType::Integer {
                min: None,
                max: None,
            },
            false,
        ),
        field(
            "bill",
            FieldType::Decimal {
                min: None,
                max: None,
            },
            false,
        ),
        field("owner", FieldType::Flag, false),
        field("built", FieldType::Date, false),
        field("note", text(), false),
        field("absent", text(), false),
    ];
    let by_name: BTreeMap<_, _> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| (Arc::clone(&field.name), at))
        .collect();
    Arc::new(LeadType {
        id: "solar".parse().expect("a name"),
        fields,
        by_name,
    })
}

fn full_lead() -> FullLead {
    let values = [
        Some(Value::Text("partial".into())),
        Some(Value::Text("ann@example.org".into())),
        Some(Value::Integer(-7)),
        Some(Value::Decimal("12.5".parse().expect("a decimal"))),
        Some(Value::Flag(true)),
        Some(Value::Date("1990-02-28".parse().expect("a date"))),
        Some(Value::Text("call 212 555 0100".into())),
        None,
    ];
    FullLead::new(
        lead_type(),
        values
            .into_iter()
            .enumerate()
            .map(|(at, value)| (value, at == 6)),
    )
}

fn transaction() -> Arc<Transaction> {
    Arc::new(Transaction {
        campaign: "spring".parse().expect("a name"),
        received_at_ms: 1_700_000_000_000,
        currency: "USD".into(),
        sub_id: None,
        is_test: false,
    })
}

fn pinged() -> PingView {
    let lead: PingLead = full_lead().without_personal();
    PingView::new(Arc::new(lead), transaction())
}

fn posted() -> PostView {
    PostView::new(Arc::new(full_lead()), transaction())
}

/// The fault that a filter's one call ends in, after which the sandbox serves as before.
async fn fault_of(guest: &Guest) -> Fault {
    let fault = load(guest)
        .qualify(&call(), &pinged())
        .await
        .expect_err("it fails");
    assert_serves(sandbox()).await;
    fault
}

/// Whether a plugin that behaves gets its answers in this sandbox.
async fn assert_serves(sandbox: &Sandbox) {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let good = sandbox
        .load(
            &name(),
            GOOD.get_or_init(|| Guest::filter().module()),
            LIMITS,
        )
        .expect("it is good");
    let called = good.qualify(&call(), &pinged()).await.expect("it answers");
    assert_eq!(called.value, Verdict::Qualified);
}

/// What an adapter's first step at a ping is.
async fn ping_step(guest: &Guest) -> Result<PingStep, Fault> {
    load(guest)
        .ping(&call(), &pinged(), &[])
        .await
        .map(|called| called.value)
}

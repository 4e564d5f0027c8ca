//! A sandbox under tight limits, and what its plugins are asked about.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use gavel_market::{
    field::{FieldSpec, FieldType, Value},
    lead::FullLead,
    model::{CallLimits, LeadType},
};
use gavel_sandbox::{
    Call, GateError, PingView, Plugin, PostView, Sandbox, SandboxSettings, Transaction, Verdict,
};
use tokio::runtime::Runtime;

use crate::guest::Guest;

/// Bounds of every call; all that is accepted must be within them.
pub(crate) const LIMITS: CallLimits = CallLimits {
    memory: 1 << 20,
    time: Duration::from_millis(20),
    log: 4 << 10,
};

pub(crate) struct Host {
    sandbox: Sandbox,
    runtime: Runtime,
    good: Plugin,
    lead: Arc<FullLead>,
    transaction: Arc<Transaction>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let settings = SandboxSettings {
            concurrent_calls: 4,
            warm_instances: 8,
            ..SandboxSettings::default()
        };
        let sandbox = Sandbox::new(settings).expect("a sandbox");
        let good = Guest::filter().module();
        let good = sandbox
            .load(&"good".parse().expect("a name"), &good, LIMITS)
            .expect("it is good");
        let transaction = Transaction {
            campaign: "spring".parse().expect("a name"),
            received_at_ms: 1_700_000_000_000,
            currency: "USD".into(),
            sub_id: None,
            is_test: false,
        };
        Self {
            sandbox,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime"),
            good,
            lead: Arc::new(lead()),
            transaction: Arc::new(transaction),
        }
    }

    pub(crate) fn load(&self, bytes: &[u8]) -> Result<Plugin, GateError> {
        self.sandbox
            .load(&"fuzzed".parse().expect("a name"), bytes, LIMITS)
    }

    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn call(config: &str) -> Call {
        Call {
            instances: gavel_market::model::Instances::Fresh,
            account: "roofs-west".parse().expect("a name"),
            config: config.into(),
            limits: LIMITS,
            order: "po_01.3fa1".into(),
        }
    }

    pub(crate) fn pinged(&self) -> PingView {
        PingView::new(
            Arc::new(self.lead.without_personal()),
            Arc::clone(&self.transaction),
        )
    }

    pub(crate) fn posted(&self) -> PostView {
        PostView::new(Arc::clone(&self.lead), Arc::clone(&self.transaction))
    }

    /// Whatever there was before, a plugin that behaves gets its answer.
    pub(crate) fn assert_serves(&self) {
        let called = self.wait(self.good.qualify(&Self::call("{}"), &self.pinged()));
        assert!(
            matches!(called.map(|called| called.value), Ok(Verdict::Qualified)),
            "others suffer"
        );
    }
}

fn lead() -> FullLead {
    let field = |name: &str, kind| FieldSpec {
        name: name.into(),
        kind,
        personal: false,
        description: None,
    };
    let fields = vec![
        field("owner", FieldType::Flag),
        field(
            "size",
            FieldType::Integer {
                min: None,
                max: None,
            },
        ),
    ];
    let by_name: BTreeMap<_, _> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| (Arc::clone(&field.name), at))
        .collect();
    let lead_type = LeadType {
        id: "solar".parse().expect("a name"),
        fields,
        by_name,
    };
    let values = [Some(Value::Flag(true)), Some(Value::Integer(7))];
    FullLead::new(
        Arc::new(lead_type),
        values.into_iter().map(|value| (value, false)),
    )
}

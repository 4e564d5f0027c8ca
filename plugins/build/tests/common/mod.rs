//! A sandbox to run guests in, and leads made of plain text fields.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use gavel_market::{
    field::{FieldSpec, FieldType, Value},
    lead::{FullLead, PingLead},
    model::{CallLimits, Instances, LeadType},
};
use gavel_sandbox::{
    Call, Called, ConfigRefused, Fault, PingStep, PingView, Plugin, PostStep, PostView, Response,
    Sandbox, SandboxSettings, Transaction, Verdict, Won,
};

/// The production limits, but for time: a machine that runs all tests at once is slow.
fn limits() -> CallLimits {
    CallLimits {
        time: Duration::from_millis(500),
        ..CallLimits::default()
    }
}

/// The wasm of a plugin or an example, built where it is not there yet.
pub(crate) fn guest(name: &str) -> PathBuf {
    let progress = &mut |_: &str| ();
    if name == "misbehaving" {
        return gavel_plugin_build::build_example(name, progress).expect("the example builds");
    }
    let built = gavel_plugin_build::build(progress).expect("the plugins build");
    match name {
        "roof_filter" => built.roof_filter,
        "xml_buyer" => built.xml_buyer,
        "lp_buyer" => built.lp_buyer,
        _ => built.http_buyer,
    }
}

/// One sandbox for all tests of this file.
pub(crate) fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let settings = SandboxSettings {
            concurrent_calls: 8,
            warm_instances: 8,
            reused_instances: 8,
            ..SandboxSettings::default()
        };
        Host(Sandbox::new(settings).expect("a sandbox"))
    })
}

pub(crate) struct Host(Sandbox);

impl Host {
    /// The plugin of a file, through the gate.
    pub(crate) fn plugin(&self, wasm: &PathBuf) -> Guest {
        let bytes = fs::read(wasm).expect("the file is there");
        let name = "guest".parse().expect("a name");
        Guest {
            plugin: self
                .0
                .load(&name, &bytes, limits())
                .expect("the gate lets it through"),
        }
    }
}

/// A plugin, asked with less ado.
pub(crate) struct Guest {
    pub(crate) plugin: Plugin,
}

/// A lead's fields, all of them text; `first_name` is personal.
type Fields<'a> = &'a [(&'a str, &'a str)];

impl Guest {
    pub(crate) async fn check(&self, config: &str) -> Result<(), ConfigRefused> {
        self.plugin
            .check_config(&"sunco".parse().expect("a name"), config)
            .await
    }

    pub(crate) async fn qualify(
        &self,
        config: &str,
        fields: Fields<'_>,
    ) -> Result<Called<Verdict>, Fault> {
        self.plugin.qualify(&call(config), &pinged(fields)).await
    }

    pub(crate) async fn ping(
        &self,
        config: &str,
        fields: Fields<'_>,
        answers: &[Response],
    ) -> Result<Called<PingStep>, Fault> {
        self.plugin
            .ping(&call(config), &pinged(fields), answers)
            .await
    }

    pub(crate) async fn post(
        &self,
        config: &str,
        fields: Fields<'_>,
        won: &Won,
        answers: &[Response],
    ) -> Result<Called<PostStep>, Fault> {
        let lead = PostView::new(Arc::new(full_lead(fields)), transaction());
        self.plugin.post(&call(config), &lead, won, answers).await
    }
}

fn call(config: &str) -> Call {
    Call {
        account: "sunco".parse().expect("a name"),
        config: config.into(),
        limits: limits(),
        order: "po_1.a1".to_owned(),
        instances: Instances::Fresh,
    }
}

fn pinged(fields: Fields<'_>) -> PingView {
    let lead: PingLead = full_lead(fields).without_personal();
    PingView::new(Arc::new(lead), transaction())
}

fn full_lead(fields: Fields<'_>) -> FullLead {
    let names = ["state", "roof_shade", "first_name"];
    let specs: Vec<FieldSpec> = names.map(spec).into();
    let by_name = specs
        .iter()
        .enumerate()
        .map(|(at, spec)| (Arc::clone(&spec.name), at))
        .collect();
    let lead_type = Arc::new(LeadType {
        id: "solar".parse().expect("a name"),
        fields: specs,
        by_name,
    });
    let given = |name: &str| {
        fields
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| Value::Text((*text).into()))
    };
    FullLead::new(lead_type, names.map(|name| (given(name), false)))
}

fn spec(name: &str) -> FieldSpec {
    let kind = FieldType::Text {
        one_of: None,
        pattern: None,
        max_length: 100,
        no_personal_check: false,
    };
    FieldSpec {
        name: name.into(),
        kind,
        personal: name == "first_name",
        description: None,
    }
}

fn transaction() -> Arc<Transaction> {
    Arc::new(Transaction {
        campaign: "solar-west".parse().expect("a name"),
        received_at_ms: 1_700_000_000_000,
        currency: "USD".to_owned(),
        sub_id: None,
        is_test: false,
    })
}

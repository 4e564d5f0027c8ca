//! What an account's plugin can be asked, each question as a type.

use wasmtime::{Store, component::Resource};

use crate::{
    answer::{PingStep, PostStep, Response, Verdict, Won},
    call::Stop,
    instance::Opened,
    state::{Lead, State},
    translate,
    view::{PingView, PostView, View},
};

/// One question: how it is put, and how two answers to it compare.
pub(crate) trait Question {
    /// What comes back.
    type Answer: PartialEq;

    /// The plugin's function, as a fault names it.
    fn function(&self) -> &'static str;

    /// What the plugin is shown.
    fn view(&self) -> View;

    /// Puts it to an account and checks what comes back.
    async fn put(
        &self,
        store: &mut Store<State>,
        account: &Opened,
        lead: Resource<Lead>,
    ) -> Result<Self::Answer, Stop>;

    /// In which respect two answers that are not equal differ. Names parts of answers and
    /// nothing that stands in them.
    fn difference(one: &Self::Answer, other: &Self::Answer) -> String;

    /// Whether an instance that has served other leads may be asked: never at a post.
    fn may_be_reused(&self) -> bool {
        matches!(self.view(), View::Ping(_))
    }
}

/// Whether a filter wants the lead.
pub(crate) struct Qualify(pub(crate) View);

impl Question for Qualify {
    type Answer = Verdict;

    fn function(&self) -> &'static str {
        "qualify"
    }

    fn view(&self) -> View {
        self.0.clone()
    }

    async fn put(
        &self,
        store: &mut Store<State>,
        account: &Opened,
        lead: Resource<Lead>,
    ) -> Result<Verdict, Stop> {
        let Opened::Filter(plugin, account) = account else {
            return Err(other_kind("an adapter"));
        };
        let said = plugin.account().call_qualify(store, *account, lead).await?;
        translate::verdict(said.map_err(Stop::Said)?)
    }

    fn difference(one: &Verdict, other: &Verdict) -> String {
        match (one, other) {
            (
                Verdict::Disqualified { code, detail },
                Verdict::Disqualified {
                    code: other_code,
                    detail: other_detail,
                },
            ) => parts(
                "Disqualified",
                &[
                    ("code", code != other_code),
                    ("detail", detail != other_detail),
                ],
            ),
            _ => format!("it answers {one:?} where a fresh one answers {other:?}"),
        }
    }
}

/// What comes next in a ping.
pub(crate) struct Ping<'a> {
    pub(crate) lead: &'a PingView,
    pub(crate) answers: &'a [Response],
}

impl Question for Ping<'_> {
    type Answer = PingStep;

    fn function(&self) -> &'static str {
        "ping"
    }

    fn view(&self) -> View {
        View::Ping(self.lead.clone())
    }

    async fn put(
        &self,
        store: &mut Store<State>,
        account: &Opened,
        lead: Resource<Lead>,
    ) -> Result<PingStep, Stop> {
        let Opened::Adapter(plugin, account) = account else {
            return Err(other_kind("a filter"));
        };
        let answers = translate::answers(self.answers);
        let said = plugin
            .account()
            .call_ping(store, *account, lead, &answers)
            .await?;
        translate::ping_step(said.map_err(Stop::Said)?)
    }

    fn difference(one: &PingStep, other: &PingStep) -> String {
        match (one, other) {
            (PingStep::Send(one), PingStep::Send(other)) => parts(
                "Send",
                &[
                    ("method", one.method != other.method),
                    ("url", one.url != other.url),
                    ("headers", one.headers != other.headers),
                    ("body", one.body != other.body),
                ],
            ),
            (
                PingStep::Bid { amount, reference },
                PingStep::Bid {
                    amount: other_amount,
                    reference: other_reference,
                },
            ) => parts(
                "Bid",
                &[
                    ("amount", amount != other_amount),
                    ("reference", reference != other_reference),
                ],
            ),
            (PingStep::NoBid(_), PingStep::NoBid(_)) => parts("NoBid", &[("words", true)]),
            _ => format!("it answers {one:?} where a fresh one answers {other:?}"),
        }
    }
}

/// What comes next in a post.
pub(crate) struct Post<'a> {
    pub(crate) lead: &'a PostView,
    pub(crate) won: &'a Won,
    pub(crate) answers: &'a [Response],
}

impl Question for Post<'_> {
    type Answer = PostStep;

    fn function(&self) -> &'static str {
        "post"
    }

    fn view(&self) -> View {
        View::Post(self.lead.clone())
    }

    async fn put(
        &self,
        store: &mut Store<State>,
        account: &Opened,
        lead: Resource<Lead>,
    ) -> Result<PostStep, Stop> {
        let Opened::Adapter(plugin, account) = account else {
            return Err(other_kind("a filter"));
        };
        let (won, answers) = (translate::won(self.won), translate::answers(self.answers));
        let said = plugin
            .account()
            .call_post(&mut *store, *account, lead, &won, &answers)
            .await?;
        translate::post_step(said.map_err(Stop::Said)?, &mut store.data_mut().log)
    }

    /// Posts are never compared.
    fn difference(one: &PostStep, other: &PostStep) -> String {
        format!("it answers {one:?} where a fresh one answers {other:?}")
    }
}

/// Which parts of two answers of one case are not the same.
fn parts(case: &str, differ: &[(&str, bool)]) -> String {
    let parts: Vec<_> = differ
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(part, _)| *part)
        .collect();
    format!(
        "its answer {case} has another {} than a fresh one's",
        parts.join(" and another ")
    )
}

/// A market that names a plugin for what it is not is refused before it gets here.
fn other_kind(kind: &str) -> Stop {
    Stop::Said(format!("this plugin is {kind}"))
}

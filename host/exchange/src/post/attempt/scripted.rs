//! A test lead (`rules.md`, Test leads): the account's script answers in its buyer's place. No
//! adapter is asked, and nothing is sent; the notes are those of any delivery.

use gavel_market::{model::TestScript, order::End, reason::Outcome};
use tokio::time::{Instant, sleep_until};

use super::{Attempt, Ended, passed_over};

impl Attempt {
    /// What the script says.
    pub(super) async fn scripted(&mut self) -> Result<End, Ended> {
        let script = self.account.test;
        if script == Some(TestScript::NoBid) {
            // It did not bid either, so it is not tried.
            return Err(passed_over(Outcome::Declined));
        }
        self.note().await?;
        match script {
            // Without a script a fixed price bids and accepts.
            None | Some(TestScript::Bid(_) | TestScript::NoBid) => {
                Ok(End::Accepted { price: None })
            }
            Some(TestScript::Reject) => Ok(End::Rejected { code: None }),
            Some(TestScript::Slow) => {
                let own = Instant::now() + self.account.post_timeout;
                sleep_until(self.until.map_or(own, |until| until.min(own))).await;
                Err(Ended::Failed(Outcome::Timeout))
            }
            Some(TestScript::Garbled) => Err(Ended::Failed(Outcome::InvalidResponse)),
        }
    }
}

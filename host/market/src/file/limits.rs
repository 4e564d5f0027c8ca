//! What a market file may hold at most, each bound with its unit and its reason.

use std::time::Duration;

/// Errors that one answer holds: nobody reads more at once.
pub(super) const ERRORS_MAX: usize = 1000;

/// Errors that get a suggestion. Each compares a name with all others of its kind, which
/// for every name of a large market would take minutes.
pub(super) const SUGGESTIONS_MAX: usize = 100;

/// Accounts: ten times the size that the performance budgets speak of.
pub(super) const ACCOUNTS_MAX: usize = 100_000;
/// Buyers: as many as accounts.
pub(super) const BUYERS_MAX: usize = ACCOUNTS_MAX;
/// Campaigns and suppliers: far more than any market has partners.
pub(super) const CAMPAIGNS_MAX: usize = 10_000;
/// See [`CAMPAIGNS_MAX`].
pub(super) const SUPPLIERS_MAX: usize = 10_000;
/// Lead types: each has an index over its accounts.
pub(super) const LEAD_TYPES_MAX: usize = 1000;
/// Plugins: each keeps compiled code and warm instances.
pub(super) const PLUGINS_MAX: usize = 1000;
/// Fields of a lead type: a lead of all of them fits into one request.
pub(super) const FIELDS_MAX: usize = 200;
/// Criteria of one account, and keys, hosts or secrets of one owner: a person wrote them.
pub(super) const LIST_MAX: usize = 200;
/// Groups: far more than any market has kinds of campaigns.
pub(super) const GROUPS_MAX: usize = 10_000;
/// Values in one list: there are 41 000 ZIP codes.
pub(super) const VALUES_MAX: usize = 100_000;

/// Longest text of an operator's, in characters: descriptions and names for people.
pub(super) const TEXT_MAX: usize = 1000;
/// Longest `max_length` of a field, in characters: what a request may hold at all.
pub(super) const FIELD_LENGTH_MAX: i64 = 65_536;
/// Longest regular expression, in bytes.
pub(super) const PATTERN_MAX_BYTES: usize = 1000;
/// Largest configuration of a plugin, in bytes of JSON: what the sandbox will pass in.
pub(super) const CONFIG_MAX_BYTES: usize = 128 << 10;

/// Hands that a lead goes into: shared leads go to a handful of buyers.
pub(super) const DELIVERIES_MAX: i64 = 100;
/// Largest cap: more leads than there are people.
pub(super) const CAP_MAX: i64 = 1_000_000_000_000;
/// Largest weight: how fine the shares of accounts can be told apart.
pub(super) const WEIGHT_MAX: i64 = 1_000_000;
/// Most requests of one campaign in a second, and at once: more than one host serves.
pub(super) const RATE_MAX: i64 = 1_000_000;
/// Requests in one exchange with a buyer: a token, a question, an answer, and some air.
pub(super) const STEPS_MAX: i64 = 20;
/// Further tries at an unreachable buyer.
pub(super) const RETRIES_MAX: i64 = 100;

/// Shortest time in which a ping can be answered (`rules.md`, Deadline).
pub(super) const DEADLINE_MIN: Duration = Duration::from_millis(50);
/// Longest: a supplier's connection stays open for it.
pub(super) const DEADLINE_MAX: Duration = Duration::from_mins(1);
/// Longest that a supplier waits for a delivery, and that one request of one may take.
pub(super) const POST_TIME_MAX: Duration = Duration::from_mins(10);
/// Shortest time of anything: zero would be a step that never happens.
pub(super) const TIME_MIN: Duration = Duration::from_millis(1);
/// Longest window: a quote keeps its revision and its plugins' versions in use.
pub(super) const WINDOW_MAX: Duration = Duration::from_secs(30 * DAY_S);
/// Longest wait before an unreachable buyer is tried again: a lead grows cold.
pub(super) const RETRY_WAIT_MAX: Duration = Duration::from_secs(DAY_S);
/// Shortest time that anything is kept.
pub(super) const RETENTION_MIN: Duration = Duration::from_secs(1);
/// Longest: ten years, the longest that tax law asks for commonly.
pub(super) const RETENTION_MAX: Duration = Duration::from_secs(3653 * DAY_S);
/// Longest time in which a lead may be given back: of an account's sales so many months are
/// remembered.
pub(super) const RETURNS_MAX: Duration = Duration::from_secs(366 * DAY_S);

const DAY_S: u64 = 86_400;

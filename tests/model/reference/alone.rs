//! What a host does for a lead by itself, with nobody to say in which order.

#[allow(clippy::wildcard_imports)] // one type, told in several files
use super::*;

/// One way so far: what has come of it, and the bids that are being tried.
type Way = (Reference, Vec<usize>);

impl Reference {
    /// Every way in which what the host does for a lead by itself may come out: several buyers
    /// are tried at once, and which try gets how far first is nobody's promise. A test's
    /// deliveries end by themselves, too.
    pub(crate) fn ways(&self, at: usize) -> Vec<Self> {
        let (mut ends, mut looked): (Vec<Self>, Vec<(Told, Vec<usize>)>) = (Vec::new(), Vec::new());
        let mut open: Vec<Way> = vec![(self.clone(), Vec::new())];
        while let Some((mut way, mut under_way)) = open.pop() {
            while way.orders[at].is_under_way() {
                match way.look(at, &under_way) {
                    Next::Try(places) => under_way.extend(places),
                    Next::Wait => break,
                    Next::Done => way.has_ended(at),
                }
            }
            under_way.sort_unstable();
            let seen = (way.told(at).as_shown(), under_way.clone());
            if looked.contains(&seen) {
                continue;
            }
            looked.push(seen);
            let further = way.further(at, &under_way);
            if further.is_empty() {
                ends.push(way);
            }
            open.extend(further);
        }
        ends
    }

    /// What may happen next: one of the tries gets as far as it gets, or a test's ends.
    fn further(&self, at: usize, under_way: &[usize]) -> Vec<Way> {
        let tried = under_way.iter().map(|place| {
            let mut way = self.clone();
            way.try_on(at, *place);
            (way, *place)
        });
        let order = &self.orders[at];
        let scripted = order.places(At::InFlight).into_iter();
        let ended = scripted.filter(|_| order.ping.test).map(|place| {
            let mut way = self.clone();
            way.end(at, place);
            (way, place)
        });
        let without = |place: usize| {
            let left = under_way.iter().copied().filter(|other| *other != place);
            left.collect::<Vec<_>>()
        };
        let all = tried.chain(ended);
        all.map(|(way, place)| (way, without(place))).collect()
    }

    /// A host's own clock says when it took room in this step.
    pub(crate) fn took_room_at(&mut self, owner: Owner, at_ms: u64) {
        let now_ms = self.now_ms;
        let ever = self.orders.iter_mut().flat_map(|order| &mut order.ever);
        for (whose, taken_ms) in ever {
            if *whose == owner && *taken_ms == now_ms {
                *taken_ms = at_ms;
            }
        }
    }
}

impl Order {
    pub(crate) fn is_test(&self) -> bool {
        self.ping.test
    }

    /// Whose bid has this place.
    pub(crate) fn account(&self, place: usize) -> usize {
        self.bids[place].account
    }

    /// Everybody whose room it may take.
    pub(crate) fn owners(&self) -> Vec<Owner> {
        let accounts = self.bids.iter().map(|bid| Owner::Account(bid.account));
        accounts.chain([Owner::Campaign(self.campaign)]).collect()
    }

    /// How the try that is under way, or the next one, ends.
    pub(crate) fn end(&self, place: usize) -> End {
        let tries = self
            .delivery(place)
            .map_or(0, |delivery| delivery.unreachable);
        self.ping.says[self.account(place)].end(tries)
    }

    /// Which accounts cannot be reached when they are tried next.
    pub(crate) fn unreachable(&self) -> Vec<usize> {
        let places = 0..self.bids.len();
        places
            .filter(|place| self.end(*place) == End::Unreachable)
            .map(|place| self.account(place))
            .collect()
    }

    /// Whether a try at this place that ends so is a price cut.
    pub(crate) fn is_cut(&self, place: usize) -> bool {
        matches!(self.end(place), End::AcceptAt(price) if price < self.bids[place].amount)
    }
}

//! Which orders' deliveries a task of this process drives: never two for one order.
//!
//! Two would do no harm (every note is a compare-and-set in the store) but would waste
//! connections; and shutdown waits here for the last one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gavel_market::ids::OrderId;
use tokio::sync::{Notify, watch};

/// The orders that are driven.
#[derive(Debug, Default, Clone)]
pub(crate) struct Driving(Arc<Driven>);

#[derive(Debug, Default)]
struct Driven {
    orders: Mutex<HashMap<OrderId, Task>>,
    changed: watch::Sender<()>,
}

/// What is known of the task that drives an order.
#[derive(Debug, Default)]
struct Task {
    /// Whether somebody asked again meanwhile: what they want driven may have been written
    /// after the task last looked.
    look_again: bool,
    /// Wakes it where it waits for a moment to come.
    wake: Arc<Notify>,
}

/// Held by the task that drives an order.
#[derive(Debug)]
pub(crate) struct Hold {
    driven: Arc<Driven>,
    order: OrderId,
    wake: Arc<Notify>,
    /// Whether the order was let go: from then on its entry may be another's.
    gone: bool,
}

impl Driving {
    /// Takes an order. Where it is driven already, its task is asked to look once more.
    pub(crate) fn enter(&self, order: OrderId) -> Option<Hold> {
        let mut orders = self.0.orders();
        if ask_again(&mut orders, order) {
            return None;
        }
        let task = Task::default();
        let wake = Arc::clone(&task.wake);
        orders.insert(order, task);
        drop(orders);
        Some(Hold {
            driven: Arc::clone(&self.0),
            order,
            wake,
            gone: false,
        })
    }

    /// Asks the task that drives an order to look at it at once, since it has changed. Returns
    /// whether there is one.
    pub(crate) fn wake(&self, order: OrderId) -> bool {
        ask_again(&mut self.0.orders(), order)
    }

    /// Resolves when nothing is driven.
    pub(crate) async fn idle(&self) {
        let mut changed = self.0.changed.subscribe();
        while !self.0.orders().is_empty() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

fn ask_again(orders: &mut HashMap<OrderId, Task>, order: OrderId) -> bool {
    let Some(task) = orders.get_mut(&order) else {
        return false;
    };
    task.look_again = true;
    task.wake.notify_one();
    true
}

impl Driven {
    fn orders(&self) -> MutexGuard<'_, HashMap<OrderId, Task>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Resolves when somebody has asked the task to look again.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Lets the order go, unless somebody asked meanwhile to look again: then the hold stays.
    pub(crate) fn let_go(&mut self) -> bool {
        let mut orders = self.driven.orders();
        match orders.get_mut(&self.order) {
            Some(task) if task.look_again => {
                task.look_again = false;
                false
            }
            _ => {
                orders.remove(&self.order);
                drop(orders);
                self.gone = true;
                true
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.gone {
            self.driven.orders().remove(&self.order);
        }
        self.driven.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use gavel_market::ids::Ulid;

    use super::*;

    #[tokio::test]
    async fn an_order_is_driven_once_and_looked_at_again_if_asked() {
        let driving = Driving::default();
        let order = OrderId(Ulid::from_parts(1, 1));
        let mut hold = driving.enter(order).expect("nobody drives it");
        assert!(driving.enter(order).is_none());
        assert!(!hold.let_go(), "somebody asked meanwhile");
        assert!(hold.let_go());
        let again = driving.enter(order).expect("it was let go");
        drop(hold);
        assert!(driving.enter(order).is_none(), "what another holds stays");
        drop(again);
        driving.idle().await;
        assert!(driving.enter(order).is_some());
    }

    #[tokio::test]
    async fn whoever_drives_an_order_is_woken_when_it_changes() {
        let driving = Driving::default();
        let order = OrderId(Ulid::from_parts(1, 1));
        assert!(!driving.wake(order), "nobody drives it");
        let mut hold = driving.enter(order).expect("nobody drives it");
        assert!(driving.wake(order));
        // What was asked before the task waits is not lost.
        hold.woken().await;
        assert!(!hold.let_go(), "and it is looked at once more");
    }
}

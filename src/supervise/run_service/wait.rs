//! The waits of the driver, each for one source of events; the next event comes from whichever is first.

use std::pin::Pin;

use nix::sys::signal::Signal;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Driver;
use crate::supervise::orders::{Order, Run};
use crate::supervise::plan::Additions;
use crate::supervise::process::Child;
use crate::supervise::service::{Event, State};
use crate::supervise::stop::StopReport;
use crate::sys::exit::Exit;

impl Driver<'_> {
    /// Waits for the next event: a stop request, an order, the end of the child, a timer.
    pub(super) async fn next_event(
        &mut self,
        forwarded: &mut broadcast::Receiver<Signal>,
        forced: &mut bool,
    ) -> Event {
        loop {
            let may_start = self.order.run == Run::Yes || self.service.state != State::BackingOff;
            let watches_child = matches!(self.service.state, State::Running | State::Draining);
            tokio::select! {
                biased;
                signal = self.shutdown.stop_requested(), if self.stop_signal.is_none() => {
                    self.stop_signal = Some(signal);
                    return Event::StopRequested;
                }
                () = self.shutdown.forced(), if !*forced => {
                    *forced = true;
                    return Event::Forced;
                }
                exit = child_ended(self.child.as_deref()), if watches_child => return Event::Ended(exit),
                report = group_stopped(self.stopping.as_mut()) => {
                    self.stopping = None;
                    return self.cleared(report);
                }
                event = timer_elapsed(self.timer), if may_start => {
                    self.timer = None;
                    return event;
                }
                order = next_order(&mut self.orders) => {
                    self.events.extend(std::mem::replace(&mut self.order, order).events(order));
                    if let Some(event) = self.events.pop_front() {
                        return event;
                    }
                }
                () = additions_changed(self.plan.additions.as_mut()) => {
                    if let Some(event) = self.apply_additions() {
                        return event;
                    }
                }
                signal = forwarded.recv() => match signal {
                    Ok(signal) => self.forward(signal),
                    // The channel keeps the 16 newest signals, which is enough.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => *forwarded = self.shutdown.forwarded(),
                },
            }
        }
    }
}

async fn child_ended(child: Option<&Child>) -> Exit {
    match child {
        Some(child) => child.exited().await,
        None => std::future::pending().await,
    }
}

async fn group_stopped(stop: Option<&mut Pin<Box<dyn Future<Output = StopReport> + Send>>>) -> StopReport {
    match stop {
        Some(stop) => stop.await,
        None => std::future::pending().await,
    }
}

/// The next order. The last one stays in force if the role drops its sender.
async fn next_order(orders: &mut watch::Receiver<Order>) -> Order {
    match orders.changed().await {
        Ok(()) => *orders.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

async fn additions_changed(additions: Option<&mut watch::Receiver<Additions>>) {
    let is_closed = match additions {
        Some(additions) => additions.changed().await.is_err(),
        None => true,
    };
    if is_closed {
        std::future::pending::<()>().await;
    }
}

async fn timer_elapsed(timer: Option<(Instant, Event)>) -> Event {
    match timer {
        Some((end, event)) => {
            sleep_until(end).await;
            event
        }
        None => std::future::pending().await,
    }
}

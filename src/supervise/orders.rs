//! Orders of a role to its running service.

use super::service::Event;

/// The desired state of a service. Only the latest order counts, so nothing is queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub run: Run,
    /// A counter: each increment replaces the running child by a new one.
    pub recycle: u64,
    /// The reason, for the log and the metric.
    pub reason: &'static str,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Run {
    #[default]
    Yes,
    /// A dependency is unavailable: a running child keeps running, none is started, and earlier failures do not count.
    NotYet,
    No,
}

impl Order {
    /// The events of the state machine for a change from this order to the next.
    pub(super) fn events(self, next: Self) -> Vec<Event> {
        let mut events = Vec::new();
        match (self.run, next.run) {
            (_, Run::No) if self.run != Run::No => events.push(Event::PauseRequested),
            (Run::No, _) if next.run != Run::No => events.push(Event::ResumeRequested),
            (Run::Yes, Run::NotYet) => events.push(Event::Excused),
            // It may have been paused since before its first start.
            (Run::NotYet, Run::Yes) => events.push(Event::ResumeRequested),
            _ => {}
        }
        if next.recycle != self.recycle {
            events.push(Event::RecycleRequested);
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_order_gives_events() {
        let yes = Order::default();
        let no = Order { run: Run::No, ..yes };
        let not_yet = Order { run: Run::NotYet, ..yes };
        assert_eq!(yes.events(no), [Event::PauseRequested]);
        assert_eq!(no.events(yes), [Event::ResumeRequested]);
        assert_eq!(yes.events(not_yet), [Event::Excused]);
        assert_eq!(not_yet.events(no), [Event::PauseRequested]);
        assert_eq!(yes.events(Order { recycle: 1, ..yes }), [Event::RecycleRequested]);
        assert_eq!(not_yet.events(yes), [Event::ResumeRequested]);
        assert!(no.events(no).is_empty());
    }
}

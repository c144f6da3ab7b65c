//! What a role orders its service to do while that runs.

use super::service::Event;

/// What a service is to do now; the last word counts, so that nothing has to be queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub run: Run,
    /// Counted up: a new child in place of the one that runs.
    pub recycle: u64,
    /// Why, for the log and the metric.
    pub why: &'static str,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Run {
    #[default]
    Yes,
    /// What runs goes on; nothing is started, and ends until now are excused: what it needs is away.
    NotYet,
    No,
}

impl Order {
    /// What the change from one order to the next means to the machine.
    pub(super) fn events(self, next: Self) -> Vec<Event> {
        let mut events = Vec::new();
        match (self.run, next.run) {
            (_, Run::No) if self.run != Run::No => events.push(Event::PauseRequested),
            (Run::No, _) if next.run != Run::No => events.push(Event::ResumeAsked),
            (Run::Yes, Run::NotYet) => events.push(Event::Excused),
            // It may never have been started.
            (Run::NotYet, Run::Yes) => events.push(Event::ResumeAsked),
            _ => {}
        }
        if next.recycle != self.recycle {
            events.push(Event::RecycleAsked);
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_levels_and_events_their_edges() {
        let yes = Order::default();
        let no = Order { run: Run::No, ..yes };
        let not_yet = Order { run: Run::NotYet, ..yes };
        assert_eq!(yes.events(no), [Event::PauseRequested]);
        assert_eq!(no.events(yes), [Event::ResumeAsked]);
        assert_eq!(yes.events(not_yet), [Event::Excused]);
        assert_eq!(not_yet.events(no), [Event::PauseRequested]);
        assert_eq!(yes.events(Order { recycle: 1, ..yes }), [Event::RecycleAsked]);
        assert_eq!(not_yet.events(yes), [Event::ResumeAsked]);
        assert!(no.events(no).is_empty());
    }
}

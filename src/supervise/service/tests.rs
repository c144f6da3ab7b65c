//! Tests of the transition table.

use super::*;

const EXIT: Exit = Exit::Exited(3);

fn policy() -> Policy {
    Policy::restarting(Duration::from_secs(10))
}

fn service(state: State) -> Service {
    Service { state, started_at: Some(Instant::now()), ..Service::new() }
}

#[test]
fn the_transition_table() {
    use {Action as A, Event as E, State as S};
    let draining = Policy { drain: Duration::from_secs(5), ..policy() };
    let once = Policy::once(Duration::from_secs(10));
    let table = [
        (S::Starting, E::Started, policy(), S::Running, None),
        (S::Starting, E::StartFailed { is_transient: false }, policy(), S::Failed, None),
        (
            S::Starting,
            E::StartFailed { is_transient: true },
            policy(),
            S::BackingOff,
            Some(A::BackOff(Duration::ZERO)),
        ),
        (S::Starting, E::StartFailed { is_transient: true }, once.clone(), S::Failed, None),
        (S::Starting, E::StopRequested, policy(), S::Stopped, None),
        (S::Running, E::StopRequested, policy(), S::Stopping, Some(A::Stop)),
        (S::Running, E::StopRequested, draining.clone(), S::Draining, Some(A::Drain(draining.drain))),
        (S::Running, E::Ended(EXIT), policy(), S::Stopping, Some(A::Stop)),
        (S::Draining, E::DrainOver, draining.clone(), S::Stopping, Some(A::Stop)),
        (S::Draining, E::Forced, draining.clone(), S::Stopping, Some(A::Stop)),
        (S::Draining, E::Ended(EXIT), draining, S::Stopping, Some(A::Stop)),
        (S::Stopping, E::StopRequested, policy(), S::Stopping, None),
        (S::Stopping, E::Forced, policy(), S::Stopping, None),
        (S::Stopping, E::Cleared(EXIT), policy(), S::BackingOff, Some(A::BackOff(Duration::ZERO))),
        (S::Stopping, E::Cleared(EXIT), once, S::Stopped, None),
        (S::BackingOff, E::BackOffOver, policy(), S::Starting, Some(A::Start)),
        (S::BackingOff, E::StopRequested, policy(), S::Stopped, None),
        (S::Running, E::RecycleRequested, policy(), S::Stopping, Some(A::Stop)),
        (S::Running, E::PauseRequested, policy(), S::Stopping, Some(A::Stop)),
        (S::Starting, E::PauseRequested, policy(), S::Paused, None),
        (S::BackingOff, E::PauseRequested, policy(), S::Paused, None),
        (S::BackingOff, E::RecycleRequested, policy(), S::BackingOff, None),
        (S::Paused, E::ResumeRequested, policy(), S::Starting, Some(A::Start)),
        (S::Paused, E::RecycleRequested, policy(), S::Paused, None),
        (S::Paused, E::StopRequested, policy(), S::Stopped, None),
        (S::Stopped, E::StopRequested, policy(), S::Stopped, None),
        (S::Failed, E::StopRequested, policy(), S::Failed, None),
    ];
    for (from, event, policy, to, action) in table {
        let (after, did) = on_event(service(from), event, &policy, Instant::now());
        assert_eq!((after.state, did), (to, action), "{from:?} on {event:?}");
    }
}

#[test]
fn a_stop_requested_during_the_cleanup_of_a_crash_is_final() {
    let now = Instant::now();
    let (crashed, _) = on_event(service(State::Running), Event::Ended(EXIT), &policy(), now);
    let (requested, _) = on_event(crashed, Event::StopRequested, &policy(), now);
    let (over, action) = on_event(requested, Event::Cleared(EXIT), &policy(), now);
    assert_eq!((over.state, over.last_exit, action), (State::Stopped, Some(EXIT), None));
}

/// Applies the events to a running service; returns the result of the last one.
fn after(events: &[Event], policy: &Policy) -> (Service, Option<Action>) {
    let step = |(service, _), event: &Event| on_event(service, *event, policy, Instant::now());
    events.iter().fold((service(State::Running), None), step)
}

#[test]
fn an_ordered_stop_is_no_failure() {
    use Event as E;
    let (recycled, action) = after(&[E::RecycleRequested, E::Cleared(EXIT)], &policy());
    assert_eq!((recycled.state, action, recycled.restarts), (State::Starting, Some(Action::Start), 1));
    let (paused, action) = after(&[E::PauseRequested, E::Cleared(EXIT)], &policy());
    assert_eq!((paused.state, action), (State::Paused, None));
    let resumed_early = [E::PauseRequested, E::ResumeRequested, E::Cleared(EXIT)];
    assert_eq!(after(&resumed_early, &policy()).1, Some(Action::Start));
    let stopped = [E::PauseRequested, E::StopRequested, E::Cleared(EXIT)];
    assert_eq!(after(&stopped, &policy()).0.state, State::Stopped);
}

#[test]
fn the_done_code_restarts_without_back_off() {
    let done = Policy { done_code: Some(3), ..policy() };
    let ends = [Event::Ended(EXIT), Event::Cleared(EXIT)];
    assert_eq!(after(&ends, &done).1, Some(Action::Start));
    assert_eq!(after(&ends, &policy()).1, Some(Action::BackOff(Duration::ZERO)));
}

#[test]
fn excused_failures_do_not_count() {
    let (mut service, mut now) = (Service::new(), Instant::now());
    for _ in 0..20 {
        assert_eq!(crash(&mut service, &mut now, Duration::from_millis(10)), Some(Duration::ZERO));
        service = on_event(service, Event::Excused, &policy(), now).0;
    }
}

/// Crashes once after running for `ran_for`; returns the back-off, or None once the service has failed.
fn crash(service: &mut Service, now: &mut Instant, ran_for: Duration) -> Option<Duration> {
    let mut step = |event, now| {
        let (next, action) = on_event(service.clone(), event, &policy(), now);
        *service = next;
        action
    };
    step(Event::Started, *now);
    *now += ran_for;
    step(Event::Ended(EXIT), *now);
    let Some(Action::BackOff(delay)) = step(Event::Cleared(EXIT), *now) else { return None };
    *now += delay;
    step(Event::BackOffOver, *now);
    Some(delay)
}

#[test]
fn five_crashes_in_a_minute_are_a_loop() {
    let (mut service, mut now) = (Service::new(), Instant::now());
    let delays: Vec<_> = (0..5).map(|_| crash(&mut service, &mut now, Duration::from_millis(10))).collect();
    let ms = |n| Some(Duration::from_millis(n));
    assert_eq!(delays, [ms(0), ms(500), ms(1000), ms(2000), None]);
    assert_eq!((service.state, service.restarts), (State::Failed, 4));
}

#[test]
fn slow_crashes_back_off_to_thirty_seconds_and_a_stable_minute_resets() {
    let (mut service, mut now) = (Service::new(), Instant::now());
    let delays: Vec<_> =
        (0..9).map(|_| crash(&mut service, &mut now, Duration::from_secs(20)).unwrap()).collect();
    assert_eq!(delays[7..], [Duration::from_secs(30); 2]);
    assert_eq!(crash(&mut service, &mut now, Duration::from_secs(61)), Some(Duration::ZERO));
}

proptest::proptest! {
    #[test]
    fn the_back_off_grows_up_to_its_limit(n in 0u32..1000) {
        proptest::prop_assert!(back_off(n) <= back_off(n + 1));
        proptest::prop_assert!(back_off(n) <= Duration::from_secs(30));
    }
}

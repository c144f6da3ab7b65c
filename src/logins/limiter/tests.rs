use super::*;

const LIMIT: LoginLimit = LoginLimit { failures: 3, window: Duration::from_secs(60) };

fn subject(user: u64, address: u64) -> Subject {
    Subject { user, address: Some(address), pair: user << 32 | address }
}

/// A limiter with a clock.
struct Lab {
    limiter: Limiter,
    now: Instant,
}

impl Lab {
    fn new() -> Self {
        Self { limiter: Limiter::new(LIMIT), now: Instant::now() }
    }

    fn wait(&mut self, s: u64) {
        self.now += Duration::from_secs(s);
    }

    fn admit(&mut self, user: u64, address: u64) -> Admission {
        self.limiter.admit(subject(user, address), self.now)
    }

    fn end(&mut self, user: u64, address: u64, ended: Ended) {
        self.limiter.end(subject(user, address), ended, self.now);
    }

    fn login(&mut self, user: u64, address: u64, ended: Ended) -> Admission {
        let admission = self.admit(user, address);
        if admission == Admission::Admitted {
            self.end(user, address, ended);
        }
        admission
    }
}

#[test]
fn users_and_addresses_are_counted_separately() {
    let mut lab = Lab::new();
    for address in 0..3 {
        assert_eq!(lab.login(1, address, Ended::Failed), Admission::Admitted);
    }
    assert_eq!(lab.admit(1, 9), Admission::Refused(By::User, LIMIT.window));
    lab.wait(20);
    let left = Duration::from_secs(40);
    assert_eq!(lab.admit(1, 9), Admission::Refused(By::User, left));
    for user in 2..4 {
        assert_eq!(lab.login(user, 0, Ended::Failed), Admission::Admitted);
    }
    assert_eq!(lab.admit(9, 0), Admission::Refused(By::Address, left));
    assert_eq!(lab.login(9, 9, Ended::Failed), Admission::Admitted);
    lab.wait(60);
    assert_eq!(lab.admit(1, 0), Admission::Admitted);
}

#[test]
fn parallel_logins_cannot_pass_the_limit_together() {
    let mut lab = Lab::new();
    assert_eq!([0; 4].map(|_| lab.admit(1, 0))[2..], [Admission::Admitted, Admission::Later]);
    lab.end(1, 0, Ended::NoResult);
    assert_eq!([lab.admit(1, 0), lab.admit(1, 0)], [Admission::Admitted, Admission::Later]);
    for _ in 0..3 {
        lab.end(1, 0, Ended::Failed);
    }
    assert!(matches!(lab.admit(1, 0), Admission::Refused(..)));
}

#[test]
fn a_success_forgives_the_users_own_failures_from_that_address() {
    let mut lab = Lab::new();
    for ended in [Ended::Failed, Ended::Failed, Ended::Succeeded, Ended::Failed, Ended::Failed] {
        assert_eq!(lab.login(1, 0, ended), Admission::Admitted);
    }
    // An attacker with an account of his own.
    let mut lab = Lab::new();
    for _ in 0..2 {
        lab.login(1, 0, Ended::Failed);
        lab.login(2, 0, Ended::Succeeded);
    }
    lab.login(1, 0, Ended::Failed);
    assert!(matches!(lab.admit(2, 0), Admission::Refused(By::Address, _)));
    // The user's login elsewhere.
    let mut lab = Lab::new();
    for _ in 0..3 {
        lab.login(1, 5, Ended::Succeeded);
        lab.login(1, 0, Ended::Failed);
    }
    assert!(matches!(lab.admit(1, 5), Admission::Refused(By::User, _)));
}

#[test]
fn failures_of_an_earlier_window_forgive_none_of_this_one() {
    let mut lab = Lab::new();
    lab.login(9, 0, Ended::Failed);
    lab.wait(50);
    lab.login(1, 0, Ended::Failed);
    lab.login(1, 0, Ended::Failed);
    // The address begins a new window, user 1 does not.
    lab.wait(20);
    lab.login(2, 0, Ended::Failed);
    lab.login(2, 0, Ended::Failed);
    lab.login(1, 0, Ended::Succeeded);
    lab.login(2, 0, Ended::Failed);
    assert!(matches!(lab.admit(3, 0), Admission::Refused(By::Address, _)));
}

#[test]
fn a_shared_address_has_no_limit_of_its_own() {
    let (mut limiter, now) = (Limiter::new(LIMIT), Instant::now());
    for user in 0..100 {
        let subject = Subject { address: None, ..subject(user, 0) };
        assert_eq!(limiter.admit(subject, now), Admission::Admitted);
        limiter.end(subject, Ended::Failed, now);
    }
}

/// The definition, over the list of all failures: (user, address, time in s).
#[derive(Default)]
struct Model {
    failures: Vec<(u64, u64, u64)>,
}

impl Model {
    /// The failures in the window that began with the first one after the window before.
    fn count(&self, now: u64, of: impl Fn(u64, u64) -> bool) -> usize {
        let (mut since, mut count) = (None::<u64>, 0);
        for &(.., at) in self.failures.iter().filter(|(user, address, _)| of(*user, *address)) {
            if since.is_none_or(|since| at - since >= LIMIT.window.as_secs()) {
                (since, count) = (Some(at), 0);
            }
            count += 1;
        }
        if since.is_some_and(|since| now - since < LIMIT.window.as_secs()) { count } else { 0 }
    }

    fn refuses(&self, user: u64, address: u64, now: u64) -> bool {
        let limit = LIMIT.failures as usize;
        self.count(now, |_, a| a == address) >= limit || self.count(now, |u, _| u == user) >= limit
    }
}

proptest::proptest! {
    #[test]
    fn without_successes_it_is_a_count_of_failures(steps in proptest::collection::vec((0u64..4, 0u64..4, 0u64..25), 0..120)) {
        let (mut lab, mut model, begin) = (Lab::new(), Model::default(), Instant::now());
        lab.now = begin;
        let mut now = 0;
        for (user, address, pause) in steps {
            now += pause;
            lab.now = begin + Duration::from_secs(now);
            let is_refused = lab.login(user, address, Ended::Failed) != Admission::Admitted;
            proptest::prop_assert_eq!(is_refused, model.refuses(user, address, now));
            if !is_refused {
                model.failures.push((user, address, now));
            }
        }
    }

    #[test]
    fn no_order_of_results_passes_more_failures_than_the_limit(
        steps in proptest::collection::vec((0u64..3, 0u8..4, 0u64..12), 0..200),
    ) {
        // One address whose own account is user 0. Only that user's failures may be forgiven.
        let (mut lab, mut failed, mut now) = (Lab::new(), Vec::<u64>::new(), 0);
        let begin = lab.now;
        for (user, kind, pause) in steps {
            now += pause;
            lab.now = begin + Duration::from_secs(now);
            let ended = match (user, kind) {
                (0, 0 | 1) => Ended::Succeeded,
                (_, 2) => Ended::NoResult,
                _ => Ended::Failed,
            };
            if lab.login(user, 0, ended) == Admission::Admitted && ended == Ended::Failed && user != 0 {
                failed.push(now);
            }
            // Two windows that follow each other may both be full.
            let recent = failed.iter().filter(|at| now - **at < LIMIT.window.as_secs()).count();
            proptest::prop_assert!(recent <= 2 * LIMIT.failures as usize);
        }
    }
}

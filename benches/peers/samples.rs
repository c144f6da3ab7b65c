//! Repeated measurements of several subjects that take turns.

/// The values of one subject, round by round.
#[derive(Clone, Debug)]
pub struct Samples {
    pub name: String,
    pub values: Vec<f64>,
}

impl Samples {
    pub fn new(name: &str, values: Vec<f64>) -> Self {
        Self { name: name.to_owned(), values }
    }

    pub fn min(&self) -> f64 {
        self.percentile(0.0)
    }

    pub fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    pub fn p95(&self) -> f64 {
        self.percentile(95.0)
    }

    /// Interpolates between the two nearest values.
    fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let place = percent / 100.0 * last as f64;
        let below = place.floor() as usize;
        let above = (below + 1).min(last);
        sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
    }

    /// The median of the ratios round by round: a slow round is slow for both.
    pub fn median_ratio_to(&self, other: &Self) -> f64 {
        let ratios = self.values.iter().zip(&other.values).map(|(ours, theirs)| ours / theirs);
        Self::new("ratio", ratios.collect()).median()
    }
}

/// One of the subjects that take turns.
pub struct Subject<'a> {
    name: &'a str,
    once: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Subject<'a> {
    pub fn new(name: &'a str, once: impl FnMut() -> f64 + 'a) -> Self {
        Self { name, once: Box::new(once) }
    }
}

/// Measures in the order A B C A B C …, after one round that fills all caches and does not count. Each round is a line of
/// stderr: a measurement takes minutes.
pub fn take_turns(rounds: usize, mut subjects: Vec<Subject<'_>>) -> Vec<Samples> {
    let mut all: Vec<Samples> = subjects.iter().map(|s| Samples::new(s.name, Vec::new())).collect();
    for round in 0..=rounds {
        for (subject, samples) in subjects.iter_mut().zip(&mut all) {
            let value = (subject.once)();
            if round > 0 {
                samples.values.push(value);
            }
        }
        let latest = all.iter().filter_map(|s| Some(format!("{} {:.4}", s.name, s.values.last()?)));
        eprintln!("  round {round} of {rounds}: {}", latest.collect::<Vec<_>>().join(", "));
    }
    all
}

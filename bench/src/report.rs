//! Medians over rounds, each as a ratio to plain Envoy of the same round.

use std::time::Duration;

use crate::load::Run;

/// The runs of one case, by configuration, one for each round. The first configuration is what the others are
/// compared with.
pub struct Table<'a> {
    /// The case's name.
    pub case: &'a str,
    /// Name of the configuration and its runs.
    pub rows: Vec<(&'a str, Vec<Run>)>,
}

impl Table<'_> {
    /// The table in Markdown.
    pub fn print(&self) {
        let Some((base_name, base)) = self.rows.first() else { return };
        println!("\n### {}\n", self.case);
        println!(
            "{base_name}: {:.0} calls/s, p50 {:.0} µs, p99 {:.0} µs, {:.1} µs CPU a call\n",
            median(base.iter().map(|run| run.throughput)),
            median(base.iter().map(|run| us(run.p50))),
            median(base.iter().map(|run| us(run.p99))),
            median(base.iter().map(|run| us(run.cpu))),
        );
        println!(
            "| configuration | calls/s | ratio (min–max) | p50 µs | ratio | p99 µs | ratio | CPU µs/call | ratio (min–max) | 1/CPU ratio |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for (name, runs) in &self.rows {
            let absolute = |of: fn(&Run) -> f64| median(runs.iter().map(of));
            let ratios = |of: fn(&Run) -> f64| Spread::new(runs.iter().zip(base).map(|(run, base)| of(run) / of(base)));
            let throughput: fn(&Run) -> f64 = |run| run.throughput;
            let p50: fn(&Run) -> f64 = |run| us(run.p50);
            let p99: fn(&Run) -> f64 = |run| us(run.p99);
            let cpu: fn(&Run) -> f64 = |run| us(run.cpu);
            println!(
                "| {name} | {:.0} | {} | {:.0} | {:.2} | {:.0} | {:.2} | {:.1} | {} | {:.2} |",
                absolute(throughput),
                ratios(throughput),
                absolute(p50),
                ratios(p50).median,
                absolute(p99),
                ratios(p99).median,
                absolute(cpu),
                ratios(cpu),
                1.0 / ratios(cpu).median,
            );
        }
    }
}

/// Median, least and greatest of a few values.
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        Self {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(0.0, f64::max),
            median: median(values.into_iter()),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "**{:.2}** ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { at(middle) } else { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 }
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}

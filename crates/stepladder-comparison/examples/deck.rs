//! The step from m5 to m6 as the deck tells it, with what the deck leaves out. `docs/concepts/comparing-rungs.md` shows the
//! output.
//!
//! ```console
//! $ cargo run --release -p stepladder-comparison --example deck
//! ```

use stepladder_comparison::{Pairs, Verdict, independent_interval, photos_to_tell_apart, wilson_interval};

/// About as many photos as the deck's test part has.
const PHOTOS: usize = 2250;

fn main() {
    let right = |accuracy: f64| (accuracy * PHOTOS as f64).round() as usize;
    let (m5, m6) = (right(0.8004), right(0.8089));
    for (rung, right) in [("m5", m5), ("m6", m6)] {
        let [low, high] = wilson_interval(right, PHOTOS).map(|share| share * 100.0);
        println!("{rung}: {right} of {PHOTOS} right, 95% interval {low:.1}% to {high:.1}%");
    }
    let difference = (m6 - m5) as f64 / PHOTOS as f64;
    let pooled = (m5 + m6) as f64 / (2 * PHOTOS) as f64;
    let z = difference / (pooled * (1.0 - pooled) * 2.0 / PHOTOS as f64).sqrt();
    let interval = independent_interval((m5, PHOTOS), (m6, PHOTOS));
    let [low, high] = interval.map(|share| share * 100.0);
    println!(
        "change: {:+.2} points, z = {z:.2}, unpaired 95% interval {low:+.1} to {high:+.1}: {}",
        difference * 100.0,
        Verdict::of(interval).word()
    );
    println!();
    println!(
        "if they had been compared photo by photo, and on this share of photos only one of the two was right:"
    );
    for discordant in [0.05, 0.1, 0.2, 0.3] {
        let differing = discordant * PHOTOS as f64;
        let only_first = ((differing - (m6 - m5) as f64) / 2.0).round() as usize;
        let only_second = only_first + (m6 - m5);
        let both = m5 - only_first;
        let pairs = Pairs {
            both,
            only_first,
            only_second,
            neither: PHOTOS - both - only_first - only_second,
        };
        let [low, high] = pairs.interval().map(|share| share * 100.0);
        println!(
            "{:>3.0}%  interval {low:+.1} to {high:+.1}, p = {:.2}: {:<12}  told apart by {} photos",
            discordant * 100.0,
            pairs.p_value(),
            Verdict::of(pairs.interval()).word(),
            photos_to_tell_apart(pairs.difference(), pairs.discordant()).unwrap_or(0)
        );
    }
}

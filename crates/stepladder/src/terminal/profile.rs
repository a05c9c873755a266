//! Where the time of training steps went, as a table: the costliest layer and pass first.

use super::percent;
use super::table::{Alignment, Table};
use stepladder_nn::profile::{ProfileRow, steps};
use stepladder_train::MachinePeak;

/// The rows as a table, times per step. Arithmetic is judged by the machine's peak where that is known.
pub(crate) fn profile_table(rows: &[ProfileRow], machine: Option<&MachinePeak>) -> String {
    use Alignment::{Left, Right};
    let mut table = Table::new([
        ("layer", Left),
        ("pass", Left),
        ("ms a step", Right),
        ("share", Right),
        ("GFLOP/s", Right),
        ("of peak", Right),
        ("GB/s", Right),
    ]);
    let steps = steps(rows);
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let mut rows: Vec<&ProfileRow> = rows.iter().collect();
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    for row in rows {
        let rate = |amount: f64| amount / row.seconds.max(1e-12);
        let arithmetic = row.operations > 0.0;
        let peak = machine.map(|machine| percent(rate(row.operations) / machine.dot_product_flops));
        table.row([
            row.layer.clone(),
            row.pass.to_string(),
            format!("{:.2}", 1e3 * row.seconds / steps as f64),
            percent(row.seconds / total.max(1e-12)),
            if arithmetic {
                format!("{:.1}", rate(row.operations) / 1e9)
            } else {
                String::new()
            },
            peak.filter(|_| arithmetic).unwrap_or_default(),
            format!("{:.1}", rate(row.bytes) / 1e9),
        ]);
    }
    table.to_string()
}

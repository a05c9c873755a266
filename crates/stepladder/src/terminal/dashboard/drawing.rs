//! How a dashboard looks: progress, figures, curves of loss and accuracy, and the last lines. A small terminal gets the first of them.

use super::seen::Seen;
use crate::terminal::fold::fold;
use crate::terminal::{duration, percent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};
use stepladder_train::EpochRecord;

/// What the two parts look like. Nothing needs the colors: the legend names the lines, which have different dots.
const TRAINING: Color = Color::Cyan;
const VALIDATION: Color = Color::Yellow;

/// Draws what was seen.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen) {
    let area = frame.area();
    let charts = if area.height >= 20 {
        Constraint::Fill(3)
    } else {
        Constraint::Length(0)
    };
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(2),
        charts,
        Constraint::Fill(2),
        Constraint::Length(1),
    ]);
    let [title, epochs, work, figures, charts, lines, keys] = rows.areas(area);
    draw_title(frame, title, seen);
    draw_progress(frame, epochs, work, seen);
    frame.render_widget(Paragraph::new(figure_lines(seen)), figures);
    if charts.height > 0 {
        draw_charts(frame, charts, seen);
    }
    draw_lines(frame, lines, seen);
    let keys_text = match seen.stopping {
        true => "stopping at the next safe place; press q again to stop at once",
        false => "q stops it, as Ctrl-C does: it takes a checkpoint, and can go on later",
    };
    let style = Style::default().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(keys_text).style(style), keys);
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let line = match seen.model.is_empty() {
        true => Line::from("getting ready"),
        false => Line::from(vec![
            Span::styled(seen.model.clone(), Style::default().add_modifier(Modifier::BOLD)),
            Span::raw(format!(" on {}, {}", seen.data, seen.run)),
        ]),
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_progress(frame: &mut Frame<'_>, epochs: Rect, work: Rect, seen: &Seen) {
    let gauge = |label: String, share: f64, color: Color| {
        Gauge::default()
            .gauge_style(Style::default().fg(color))
            .ratio(if share.is_finite() {
                share.clamp(0.0, 1.0)
            } else {
                0.0
            })
            .use_unicode(true)
            .label(label)
    };
    if seen.epochs > 0 {
        let progress = seen.progress();
        let label = format!("{progress:.1} of {} epochs", seen.epochs);
        frame.render_widget(gauge(label, progress / seen.epochs as f64, Color::Green), epochs);
    }
    if let Some(at) = &seen.work {
        let label = format!("{}: {} of {}", at.what, at.done, at.total);
        frame.render_widget(
            gauge(label, at.done as f64 / at.total.max(1) as f64, Color::Blue),
            work,
        );
    }
}

/// Two lines: what the figures are, and how fast it goes.
fn figure_lines(seen: &Seen) -> Vec<Line<'static>> {
    let last = seen.records.last();
    let best = seen
        .records
        .iter()
        .filter_map(|record| record.val_accuracy)
        .reduce(f32::max);
    let share = |share: f32| percent(share.into());
    let figures = [
        ("loss", last.map(|record| format!("{:.4}", record.loss))),
        (
            "val loss",
            last.and_then(|record| Some(format!("{:.4}", record.val_loss?))),
        ),
        ("train", last.map(|record| share(record.accuracy))),
        ("val", last.and_then(|record| record.val_accuracy).map(share)),
        ("best", best.map(share)),
    ];
    let (since, left) = seen.times();
    let speeds = [
        (
            "rate",
            seen.step
                .as_ref()
                .map(|step| format!("{:.2e}", step.learning_rate)),
        ),
        (
            "photos/s",
            last.map(|record| format!("{:.0}", record.images_per_second)),
        ),
        ("since", since.map(duration)),
        ("left", left.map(duration)),
    ];
    [figures.to_vec(), speeds.to_vec()]
        .into_iter()
        .map(|figures| {
            let spans = figures.into_iter().flat_map(|(name, value)| {
                let value = value.unwrap_or_else(|| "-".to_string());
                [
                    Span::styled(format!("{name} "), Style::default().add_modifier(Modifier::DIM)),
                    Span::raw(format!("{value:<9}")),
                ]
            });
            Line::from(spans.collect::<Vec<_>>())
        })
        .collect()
}

/// Loss and accuracy side by side, or the loss alone where there is no room for both.
fn draw_charts(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let batches = seen.batches.max(1) as f64;
    let in_epochs = |points: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        points
            .into_iter()
            .map(|(step, figure)| (step / batches, figure))
            .collect()
    };
    let by_epoch = |of: fn(&EpochRecord) -> Option<f32>| -> Vec<(f64, f64)> {
        let known = seen
            .records
            .iter()
            .filter_map(|record| Some((record.epoch as f64, of(record)?.into())));
        known.collect()
    };
    let end = seen.progress().max(1.0).ceil();
    let loss = [in_epochs(seen.curve.loss()), by_epoch(|record| record.val_loss)];
    let accuracy = [
        by_epoch(|record| Some(record.accuracy)),
        by_epoch(|record| record.val_accuracy),
    ];
    let top = top(&loss);
    if area.width < 70 {
        chart(frame, area, "loss", &loss, end, top, |figure| {
            format!("{figure:.2}")
        });
        return;
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    chart(frame, left, "loss", &loss, end, top, |figure| {
        format!("{figure:.2}")
    });
    chart(frame, right, "accuracy", &accuracy, end, 1.0, percent);
}

/// The top of a scale that shows how losses fall: the spikes of the first steps, and others that are rare, may pass it.
fn top(losses: &[Vec<(f64, f64)>]) -> f64 {
    const SHOWN: f64 = 0.95;
    let mut figures: Vec<f64> = losses.iter().flatten().map(|point| point.1).collect();
    figures.retain(|figure| figure.is_finite());
    figures.sort_by(f64::total_cmp);
    let rank = (SHOWN * figures.len() as f64).ceil() as usize;
    let shown = figures.get(rank.saturating_sub(1)).copied().unwrap_or(0.0);
    // A little room above the highest that is shown, but none above all of them.
    let highest = figures.last().copied().unwrap_or(0.0);
    (1.1 * shown).min(highest).clamp(1e-3, 1e6)
}

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    [training, validation]: &[Vec<(f64, f64)>; 2],
    end: f64,
    top: f64,
    shown: fn(f64) -> String,
) {
    let line = |name: &'static str, points, color, marker| {
        Dataset::default()
            .name(name)
            .data(points)
            .graph_type(GraphType::Line)
            .marker(marker)
            .style(Style::default().fg(color))
    };
    let lines = vec![
        line("training", training.as_slice(), TRAINING, Marker::Braille),
        line("validation", validation.as_slice(), VALIDATION, Marker::Dot),
    ];
    let chart = Chart::new(lines)
        .block(Block::bordered().title(title.to_string()))
        // Two lines of a narrow chart are worth their names.
        .hidden_legend_constraints((Constraint::Percentage(60), Constraint::Percentage(60)))
        .x_axis(
            Axis::default()
                .bounds([0.0, end])
                .labels(["0".to_string(), format!("epoch {end:.0}")]),
        )
        .y_axis(
            Axis::default()
                .bounds([0.0, top])
                .labels([shown(0.0), shown(top / 2.0), shown(top)]),
        );
    frame.render_widget(chart, area);
}

/// The last lines that fit.
fn draw_lines(frame: &mut Frame<'_>, area: Rect, seen: &Seen) {
    let room = usize::from(area.height.saturating_sub(2));
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let folded: Vec<String> = seen
        .lines()
        .rev()
        .take(room)
        .map(|line| fold(line, width))
        .collect();
    let lines: Vec<&str> = folded.iter().rev().flat_map(|text| text.split('\n')).collect();
    let last: Vec<Line<'_>> = lines[lines.len().saturating_sub(room)..]
        .iter()
        .copied()
        .map(Line::from)
        .collect();
    let block = Block::bordered().title("messages");
    frame.render_widget(Paragraph::new(last).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::path::Path;
    use std::time::Duration;
    use stepladder_train::StepRecord;

    /// A training in its third epoch.
    fn seen() -> Seen {
        let mut seen = Seen::default();
        seen.prepare("baseline", "flowers5", Path::new("runs/flowers5-baseline-1"), 8);
        seen.say("data        flowers5: 3666 photos of 5 classes\nsplit       2930 training, 377 validation, 359 test");
        for step in 0_u64..25 {
            let epoch = step as usize / 10 + 1;
            let record = StepRecord {
                step,
                epoch,
                loss: 1.6 / (1.0 + step as f32 / 8.0),
                accuracy: 0.3,
                learning_rate: 0.001,
            };
            seen.step(&record, step as usize % 10 + 1, 10);
            if step % 10 == 9 {
                let record = EpochRecord {
                    epoch,
                    loss: record.loss + 0.1,
                    accuracy: 0.3 * epoch as f32,
                    val_loss: Some(record.loss + 0.2),
                    val_accuracy: Some(0.25 * epoch as f32),
                    learning_rate: 0.001,
                    images_per_second: 940.0,
                    input_wait_fraction: 0.0,
                    seconds: 3.0,
                    best: true,
                };
                seen.epoch(&record, Duration::from_secs(18));
            }
        }
        seen.begin(10, "epoch 3");
        seen.done(5);
        // Times pass while the test runs.
        seen.began = None;
        seen
    }

    fn drawn(width: u16, height: u16, seen: &Seen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, seen)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_training_is_seen_as_a_whole() {
        insta::assert_snapshot!(drawn(100, 30, &seen()));
    }

    #[test]
    fn a_narrow_terminal_has_the_loss_alone() {
        let mut seen = seen();
        seen.stop();
        insta::assert_snapshot!(drawn(60, 22, &seen));
    }

    #[test]
    fn the_usual_terminal_has_both_charts_with_their_legends() {
        let text = drawn(80, 24, &seen());
        // And in the line of the split.
        assert_eq!(text.matches("validation").count(), 3, "{text}");
    }

    #[test]
    fn spikes_of_the_first_steps_do_not_press_the_rest_flat() {
        let falling = (0..100).map(|step| (f64::from(step), 2.0 - 0.01 * f64::from(step)));
        let spikes = [(0.0, 300.0), (1.0, 40.0)].into_iter();
        let top_of = top(&[spikes.chain(falling).collect(), Vec::new()]);
        assert!((1.9..2.5).contains(&top_of), "{top_of}");
        assert_eq!(top(&[vec![(0.0, 1.5)], vec![]]), 1.5);
        assert_eq!(top(&[]), 1e-3);
    }

    #[test]
    fn any_size_and_any_figure_can_be_drawn() {
        let mut strange = seen();
        strange.epochs = 0;
        strange.records[0].loss = f32::NAN;
        strange.records[1].val_loss = Some(f32::INFINITY);
        for seen in [&Seen::default(), &strange] {
            for (width, height) in [(1, 1), (5, 3), (20, 8), (80, 24), (300, 100)] {
                drawn(width, height, seen);
            }
        }
    }
}

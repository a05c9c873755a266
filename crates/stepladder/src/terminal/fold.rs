//! Lines of a terminal's width: what is longer goes on in the next line, at a word.

/// Columns within which a head may stand before its text, as in `data        flowers5: ...`.
const HEAD: usize = 14;

/// Where a line goes on that has no head.
const INDENT: usize = 2;

/// A text of several lines, each folded to `width` columns. Commands to type, which begin two columns in, stay whole: they are copied.
pub(crate) fn fold(text: &str, width: usize) -> String {
    let lines = text
        .split('\n')
        .map(|line| match line.chars().count() > width && !is_command(line) {
            true => folded(line, width),
            false => line.to_string(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_command(line: &str) -> bool {
    const PROGRAMS: [&str; 3] = ["stepladder ", "curl ", "cd "];
    line.strip_prefix("  ")
        .is_some_and(|command| PROGRAMS.iter().any(|program| command.starts_with(program)))
}

fn folded(line: &str, width: usize) -> String {
    let hang = hang(line).min(width / 2);
    let mut lines: Vec<String> = Vec::new();
    let mut here = String::new();
    for word in words(line) {
        let room = width.saturating_sub(here.chars().count());
        if !here.trim().is_empty() && word.trim_end().chars().count() > room {
            lines.push(here.trim_end().to_string());
            here = " ".repeat(hang);
            here += word.trim_start();
        } else {
            here += word;
        }
    }
    lines.push(here.trim_end().to_string());
    lines.join("\n")
}

/// The words of a line, each with the spaces behind it; spaces before the first are a word.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_start = |at: &usize| {
        let at = *at;
        line[at..].starts_with(|c| c != ' ') && line[..at].ends_with(' ')
    };
    let starts: Vec<usize> = line.char_indices().map(|(at, _)| at).filter(is_start).collect();
    let ends: Vec<usize> = starts.iter().copied().chain([line.len()]).collect();
    let mut from = 0;
    ends.into_iter().map(move |end| {
        let word = &line[from..end];
        from = end;
        word
    })
}

/// The column at which a line goes on: under its text, where a head stands before it, else a little in.
fn hang(line: &str) -> usize {
    let own = line.chars().take_while(|c| *c == ' ').count();
    let Some(gap) = line.trim_start().find("  ") else {
        return own + INDENT;
    };
    let head = own + line.trim_start()[..gap].chars().count();
    let spaces = line.chars().skip(head).take_while(|c| *c == ' ').count();
    match head + spaces <= HEAD {
        true => head + spaces,
        false => own + INDENT,
    }
}

/// A cell's text in lines of at most `width` columns; a word that is longer has a line of its own.
pub(super) fn cell_lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_string());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            *last += word;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_under_their_text() {
        let line = "data        flowers5: 3666 photos of 5 classes (daisy, dandelion, roses)";
        assert_eq!(
            fold(line, 40),
            "data        flowers5: 3666 photos of 5\n            classes (daisy, dandelion,\n            roses)"
        );
        assert_eq!(
            fold("warning: one two three four", 16),
            "warning: one two\n  three four"
        );
        assert_eq!(fold("short\n\nlines", 10), "short\n\nlines");
    }

    #[test]
    fn no_column_is_passed_and_no_word_lost() {
        let text = "a größe of words: 写真 and some more of them, ".repeat(5) + &"x".repeat(50);
        for width in [20, 33, 80] {
            let folded = fold(&text, width);
            for line in folded.lines().filter(|line| !line.contains(&"x".repeat(20))) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
            assert_eq!(words(&folded), words(&text));
        }
    }

    #[test]
    fn commands_stay_whole() {
        let command = format!("  stepladder predict {} PHOTO", "run/".repeat(20));
        assert_eq!(fold(&command, 40), command);
    }

    #[test]
    fn cells_break_at_words() {
        assert_eq!(
            cell_lines("twice the filters, swish", 12),
            ["twice the", "filters,", "swish"]
        );
        assert_eq!(cell_lines("", 5), [""]);
    }
}

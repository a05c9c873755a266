//! The file with which a rung of one's own starts: valid as it is, equal to its parent, with everything that it could
//! change standing there in comments.

use crate::file;
use crate::rung::Rung;

impl Rung {
    /// A rung file that changes nothing of this rung yet. `name` is the new rung's, `parent` is how its file names this
    /// one, and `file` is how the commands in its comments name it. What could be changed stands behind `#` without a
    /// space, so that taking the `#` off is all there is to do.
    pub fn starter(&self, name: &str, parent: &str, file: &str) -> String {
        let said = |key: &str, text: &str| {
            let text = file::value_text(&text.into());
            format!("{key} = {text}\n")
        };
        let mut text = format!(
            "# A rung of your own. It starts as {}: whatever this file does not say is said there.\n\
             #\n\
             # Change one thing, so that you can tell what it was worth: take the # off the lines that you change, and say\n\
             # in `change` what it is. Then look at it and train it:\n\
             #\n\
             #   stepladder models {file} --diff\n\
             #   stepladder train DATA --model {file}\n\n",
            self.name
        );
        text += &said("name", name);
        text += &said("parent", parent);
        text += &said("change", "Nothing yet");
        text.push('\n');
        text += "# The layers. A list replaces the parent's whole: take the # off all of these lines, or off none.\n";
        let mut table = file::table(self);
        let kept = ["name", "parent", "complete", "change", "about", "allow", "deck"];
        table.entries.retain(|entry| !kept.contains(&entry.key.as_str()));
        for line in file::document_text(&table).lines() {
            match line {
                "[optimizer]" => text += "# Replaced whole, as [schedule] is.\n",
                "[input]" => {
                    text += "# Of the other tables, one key is enough; the rest stays the parent's.\n"
                }
                _ => {}
            }
            if line.is_empty() {
                text.push('\n');
            } else {
                text += &format!("#{line}\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{RungCatalog, shipped, variants};
    use crate::diff::diff;

    /// The file with every `#` that has no space behind it taken off; two spaces are a list's indent.
    fn uncommented(text: &str) -> String {
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with("  {") || !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect()
    }

    #[test]
    fn a_starter_is_its_parent_as_it_is_and_with_every_line_in_use() {
        let catalog = RungCatalog::shipped();
        for name in shipped().iter().chain(variants()).map(|rung| rung.name) {
            let parent = catalog.get(name).unwrap();
            let text = parent.starter("mine", name, "mine.toml");
            let full = uncommented(&text);
            assert!(full.contains("\nlayers = [") && full.contains("\n[training]"));
            for text in [text, full] {
                let mine = Rung::from_toml(&text, "mine.toml", &catalog).unwrap();
                assert_eq!(mine.name, "mine");
                assert_eq!(diff(&parent, &mine), []);
            }
        }
    }
}

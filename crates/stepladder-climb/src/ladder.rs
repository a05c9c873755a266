//! The rungs of a climb in the order in which they are trained, each with its line of ancestors.

use crate::error::ClimbError;
use stepladder_model::{Rung, RungCatalog, shipped};

/// A rung of the climb.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// As it will be trained, but for its epochs under a time budget.
    pub rung: Rung,
    /// Names of its parent, its parent's parent, and so on.
    pub ancestors: Vec<String>,
    /// What each of them changes of its own parent.
    pub ancestor_changes: Vec<String>,
}

/// Orders the rungs and finds their ancestors.
pub(crate) fn steps(rungs: &[Rung]) -> Result<Vec<Step>, ClimbError> {
    let mut rungs: Vec<&Rung> = rungs.iter().collect();
    // A stable sort: rungs that are not shipped keep their order, behind the others.
    rungs.sort_by_key(|rung| {
        let place = shipped().iter().position(|known| known.name == rung.name);
        place.unwrap_or(usize::MAX)
    });
    for (index, rung) in rungs.iter().enumerate() {
        if rungs[..index].iter().any(|earlier| earlier.name == rung.name) {
            return Err(ClimbError::SameName {
                name: rung.name.clone(),
            });
        }
    }
    let catalog = RungCatalog::shipped();
    rungs
        .into_iter()
        .map(|rung| {
            let (ancestors, ancestor_changes) = ancestors(rung, &catalog)?.into_iter().unzip();
            Ok(Step {
                ancestors,
                ancestor_changes,
                rung: rung.clone(),
            })
        })
        .collect()
}

/// From the parent up, names and changes. A line of ancestors is finite: reading a rung refuses cycles and too many generations.
fn ancestors(rung: &Rung, catalog: &RungCatalog) -> Result<Vec<(String, String)>, ClimbError> {
    let mut names = Vec::new();
    let mut at = rung.parent_rung(catalog)?;
    while let Some(ancestor) = at {
        at = ancestor.parent_rung(catalog)?;
        names.push((ancestor.name, ancestor.change));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(name: &str) -> Rung {
        RungCatalog::shipped().get(name).unwrap()
    }

    #[test]
    fn shipped_rungs_come_in_ladder_order_with_their_ancestors() {
        let mine = Rung {
            name: "mine".to_string(),
            parent: Some("m4".to_string()),
            ..rung("m5")
        };
        let steps = steps(&[mine, rung("m5"), rung("baseline")]).unwrap();
        let names: Vec<&str> = steps.iter().map(|step| step.rung.name.as_str()).collect();
        assert_eq!(names, ["baseline", "m5", "mine"]);
        assert!(steps[0].ancestors.is_empty());
        assert_eq!(steps[1].ancestors, ["m4", "m3", "baseline"]);
        assert_eq!(steps[2].ancestors, ["m4", "m3", "baseline"]);
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let message = steps(&[rung("m3"), rung("m3")]).unwrap_err().to_string();
        assert!(message.contains("called m3"), "{message}");
    }
}

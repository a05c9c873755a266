//! What to do where the names of folders and files may have been read another way than they were meant.

use stepladder_data::Remark;

/// How to get on with photos of a part whose classes are not known.
pub const UNLABELLED: &str = "where their classes are not known, `stepladder predict` says what is on them, and for figures train on the training folder alone: a part of it is then held out";

/// What to do about a remark; `None` where it is as it was asked for.
pub fn advice(remark: &Remark) -> Option<&'static str> {
    match remark {
        Remark::Parts { .. } => Some("if they are classes, say --layout class"),
        Remark::OnePart { .. } => Some("if one of them is another part, give its folder another name"),
        Remark::PartsInClasses => Some("if they are no parts, say --layout class"),
        Remark::BesideParts { .. } => Some("move them into a part, or away"),
        Remark::SameFoldersBelow { .. } => Some(
            "say --layout group/class to keep each of the upper folders in one part, --layout */class to mix them, or --layout class if all is right",
        ),
        Remark::ClassLikePart { .. } => Some(
            "if it is the training, validation or test part, put class folders into it; if it is a class, say --layout class",
        ),
        Remark::ClassesAlike { .. } => {
            Some("if they are one class, give their folders one name, or take one with --classes")
        }
        Remark::LinksNotFollowed { .. } => Some("to follow them, say --follow-links"),
        Remark::ZipNames { .. } => Some(
            "if they look odd, say how the archive was packed with --zip-names (shift_jis, gbk, cp866, ..), or pack it again",
        ),
        Remark::WithoutClass { .. } => Some("change the pattern of --class-from if they should have one"),
        Remark::WithoutGroup { .. } => Some("change --group-by or --layout if they should be in one"),
        Remark::GroupsInParts { .. } => Some("put all photos of a group into one part"),
        Remark::FewGroups { .. } => Some("add groups, or split by photos, without groups"),
        Remark::Unlabelled { .. } => Some(UNLABELLED),
        Remark::Table { .. } => Some("if that is not what is meant, mend the table, or say --columns"),
        Remark::SomeClasses { .. } | Remark::Levels { .. } => None,
    }
}

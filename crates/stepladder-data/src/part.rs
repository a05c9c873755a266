//! The parts of a data set: training, validation, test; and which of them a name means.

use crate::names::nfc;

/// What a photo is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The weights are fitted to it.
    Train,
    /// Choices such as when to stop are made by it.
    Validation,
    /// The final figures come from it; no choice does.
    Test,
}

impl Part {
    /// All parts, in the order of use.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name that tables and reports use: "train", "validation" or "test".
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The part that a folder's name or a table's cell means, in any case: also "training", "val", "valid", "dev",
    /// "testing".
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }

    /// The part that a folder's name speaks of: one of its words is a word for a part, as in `training_set`, `val2017`, `01_train` or
    /// `TestImages`. `None` where it speaks of none, or of several.
    pub(crate) fn in_name(name: &str) -> Option<Self> {
        if let Some(part) = Self::from_name(name) {
            return Some(part);
        }
        let mut found: Option<Self> = None;
        let mut words = words(name);
        // "hold-out", "held out".
        if words
            .windows(2)
            .any(|pair| matches!(pair[0].as_str(), "hold" | "held") && pair[1] == "out")
        {
            words.push(String::from("holdout"));
        }
        for word in words {
            match (found, of_word(&word)) {
                (_, None) => {}
                (None, part) => found = part,
                (Some(earlier), Some(part)) if earlier == part => {}
                (Some(_), Some(_)) => return None,
            }
        }
        found
    }
}

/// A name's words in lower case: runs of letters, parted also where a small letter is followed by a capital one.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small_before = false;
    for c in nfc(name).chars() {
        if !c.is_alphabetic() || (small_before && c.is_uppercase()) {
            words.push(String::new());
        }
        if c.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        small_before = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Words for parts. Those of languages that are written without spaces may stand within a longer word.
fn of_word(word: &str) -> Option<Part> {
    const WORDS: [(Part, &[&str]); 3] = [
        (
            Part::Train,
            &[
                "train",
                "training",
                "trn",
                "trainset",
                "trainval",
                "entrenamiento",
                "treino",
                "treinamento",
                "entrainement",
                "entraînement",
                "apprentissage",
                "addestramento",
                "trainings",
                "обучение",
                "обучающая",
                "тренировка",
            ],
        ),
        (
            Part::Validation,
            &[
                "val",
                "valid",
                "validation",
                "validate",
                "validating",
                "valset",
                "dev",
                "devel",
                "eval",
                "evaluation",
                "validación",
                "validacion",
                "validação",
                "validacao",
                "validazione",
                "validierung",
                "валидация",
                "валидационная",
            ],
        ),
        (
            Part::Test,
            &[
                "test",
                "testing",
                "tst",
                "testset",
                "tests",
                "holdout",
                "heldout",
                "prueba",
                "pruebas",
                "teste",
                "testes",
                "тест",
                "тестовая",
            ],
        ),
    ];
    const WITHIN: [(Part, &[&str]); 3] = [
        (Part::Train, &["训练", "訓練", "学習", "훈련", "학습"]),
        (Part::Validation, &["验证", "驗證", "検証", "검증"]),
        (Part::Test, &["测试", "測試", "テスト", "테스트", "평가"]),
    ];
    let whole = WORDS.into_iter().find(|(_, words)| words.contains(&word));
    let within = || {
        WITHIN
            .into_iter()
            .find(|(_, words)| words.iter().any(|part| word.contains(part)))
    };
    whole.or_else(within).map(|(part, _)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_speak_of_parts_by_a_word() {
        for (name, part) in [
            ("training_set", Some(Part::Train)),
            ("trainset", Some(Part::Train)),
            ("Training_Data", Some(Part::Train)),
            ("01_train", Some(Part::Train)),
            ("seg_train", Some(Part::Train)),
            ("TrainImages", Some(Part::Train)),
            ("训练集", Some(Part::Train)),
            ("val2017", Some(Part::Validation)),
            ("eval", Some(Part::Validation)),
            ("validate", Some(Part::Validation)),
            ("test data", Some(Part::Test)),
            ("holdout", Some(Part::Test)),
            ("hold-out", Some(Part::Test)),
            ("Final_Test", Some(Part::Test)),
            ("trains", None),
            ("strain", None),
            ("contest", None),
            ("valley", None),
            ("daisy", None),
            ("train_test", None),
            ("fold1", None),
        ] {
            assert_eq!(Part::in_name(name), part, "{name}");
        }
    }
}

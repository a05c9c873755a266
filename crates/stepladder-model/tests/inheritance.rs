//! A child says what it changes; everything else is its parent's, through any number of generations.

use std::fs;
use std::path::PathBuf;

use stepladder_model::{Defaults, Initializer, OptimizerConfig, Rung, RungCatalog, RungError, Schedule};

fn read(toml: &str) -> Rung {
    Rung::from_toml(toml, "mine.toml", &RungCatalog::shipped()).unwrap()
}

fn child(rest: &str) -> Rung {
    read(&format!(
        "name = \"mine\"\nparent = \"m5\"\nchange = \"..\"\n{rest}"
    ))
}

fn parent() -> Rung {
    RungCatalog::shipped().get("m5").unwrap()
}

#[test]
fn a_child_that_says_nothing_is_its_parent_under_another_name() {
    let expected = Rung {
        name: "mine".to_owned(),
        parent: Some("m5".to_owned()),
        change: "..".to_owned(),
        about: None,
        deck: None,
        allow: Vec::new(),
        ..parent()
    };
    assert_eq!(child(""), expected);
}

#[test]
fn tables_merge_by_key() {
    let rung = child("[training]\nepochs = 7\n[early_stopping]\npatience = 2");
    assert_eq!(rung.training.epochs, 7);
    assert_eq!(rung.training.batch_size, parent().training.batch_size);
    let stopping = rung.early_stopping.unwrap();
    assert_eq!(stopping.patience, 2);
    assert!(stopping.restore_best_weights);
}

#[test]
fn an_optimizer_replaces_the_parents_as_a_whole() {
    let catalog = RungCatalog::shipped().with(
        "momentum",
        "name = \"momentum\"\nparent = \"m5\"\nchange = \"..\"\n[optimizer]\ntype = \"sgd\"\nmomentum = 0.9\nclipnorm = 1",
    );
    let toml = "name = \"plain\"\nparent = \"momentum\"\nchange = \"..\"\n[optimizer]\ntype = \"sgd\"";
    let rung = Rung::from_toml(toml, "plain.toml", &catalog).unwrap();
    let plain = OptimizerConfig::Sgd {
        learning_rate: 0.01,
        momentum: 0.0,
        nesterov: false,
        weight_decay: None,
        clipping: None,
    };
    assert_eq!(rung.optimizer, plain);
}

#[test]
fn a_schedule_replaces_the_parents_as_a_whole() {
    let catalog = RungCatalog::shipped().with(
        "cosine",
        "name = \"cosine\"\nparent = \"m5\"\nchange = \"..\"\n[schedule]\ntype = \"cosine\"\nwarmup_epochs = 2",
    );
    let toml = "name = \"cycle\"\nparent = \"cosine\"\nchange = \"..\"\n[schedule]\ntype = \"one_cycle\"";
    let rung = Rung::from_toml(toml, "cycle.toml", &catalog).unwrap();
    assert!(matches!(rung.schedule, Schedule::OneCycle { .. }));
}

#[test]
fn a_default_initializer_reaches_every_kernel_that_does_not_name_its_own() {
    let rung = child(
        r#"
layers = [
  { layer = "SeparableConv2D", filters = 8, kernel_size = 3 },
  { layer = "DepthwiseConv2D", kernel_size = 3 },
  { layer = "Conv2D", filters = 8, kernel_size = 3, kernel_initializer = "lecun_normal" },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dense", units = "classes", activation = "softmax" },
]
[defaults]
kernel_initializer = "he_uniform"
"#,
    );
    let graph = rung.graph(64, 5).unwrap();
    let kernels = graph.parameters.iter();
    let kernels = kernels.filter(|parameter| parameter.name.ends_with("kernel"));
    let initializers: Vec<_> = kernels.map(|parameter| parameter.initializer).collect();
    use Initializer::{HeUniform, LecunNormal};
    assert_eq!(
        initializers,
        [HeUniform, HeUniform, HeUniform, LecunNormal, HeUniform]
    );
}

#[test]
fn a_layer_list_of_the_parent_takes_the_childs_default_initializer() {
    let rung = child("[defaults]\nkernel_initializer = \"ones\"");
    assert_eq!(
        rung.defaults,
        Defaults {
            kernel_initializer: Initializer::Ones,
            ..Defaults::default()
        }
    );
    let graph = rung.graph(64, 5).unwrap();
    let kernels = graph.parameters.iter();
    let mut kernels = kernels.filter(|parameter| parameter.name.ends_with("/kernel"));
    assert!(kernels.all(|kernel| kernel.initializer == Initializer::Ones));
}

#[test]
fn false_does_without_what_the_parent_has() {
    assert!(parent().early_stopping.is_some());
    assert_eq!(child("early_stopping = false").early_stopping, None);
    let catalog = RungCatalog::shipped()
        .with(
            "turned",
            "name = \"turned\"\nparent = \"m5\"\nchange = \"..\"\n[augmentation]\nrotation_range = 9",
        )
        .with(
            "still",
            "name = \"still\"\nparent = \"turned\"\nchange = \"..\"\naugmentation = false",
        )
        .with(
            "again",
            "name = \"again\"\nparent = \"still\"\nchange = \"..\"\n[augmentation]\nhorizontal_flip = true",
        );
    assert_eq!(
        catalog
            .get("turned")
            .unwrap()
            .augmentation
            .unwrap()
            .rotation_range,
        9.0
    );
    assert_eq!(catalog.get("still").unwrap().augmentation, None);
    assert_eq!(
        catalog.get("again").unwrap().augmentation.unwrap().rotation_range,
        0.0
    );
}

#[test]
fn a_complete_rung_needs_no_parent() {
    let empty = "name = \"mine\"\nparent = \"gone\"\nchange = \"..\"\n";
    let catalog = RungCatalog::shipped();
    assert!(matches!(
        Rung::from_toml(empty, "mine.toml", &catalog),
        Err(RungError::UnknownParent { .. })
    ));
    let rung = Rung {
        parent: Some("gone".to_owned()),
        ..parent()
    };
    let again = Rung::from_toml(&rung.to_toml(), "mine.toml", &catalog).unwrap();
    assert_eq!(again, rung);
    assert!(again.parent_rung(&catalog).is_err());
}

/// A folder of rung files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, toml) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, toml).unwrap();
        }
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, name: &str) -> Result<Rung, RungError> {
        Rung::from_path(self.path(name), &RungCatalog::shipped())
    }
}

#[test]
fn a_file_may_name_a_file_beside_it() {
    let folder = Folder::new(&[
        (
            "first.toml",
            "name = \"first\"\nparent = \"below/second.toml\"\nchange = \"..\"\n[training]\nepochs = 3",
        ),
        (
            "below/second.toml",
            "name = \"second\"\nparent = \"third.toml\"\nchange = \"..\"\n[input]\nsize = 64",
        ),
        (
            "below/third.toml",
            "name = \"third\"\nparent = \"m5\"\nchange = \"..\"\n[training]\nbatch_size = 8",
        ),
    ]);
    let rung = folder.open("first.toml").unwrap();
    assert_eq!(
        (rung.training.epochs, rung.training.batch_size, rung.input.size),
        (3, 8, 64.into())
    );
    let parent = rung.parent_rung(&RungCatalog::shipped()).unwrap().unwrap();
    assert_eq!(parent.name, "second");
    let grandparent = parent.parent_rung(&RungCatalog::shipped()).unwrap().unwrap();
    assert_eq!(grandparent.name, "third");
}

#[test]
fn a_mistake_in_an_ancestor_names_the_ancestors_file_and_line() {
    let folder = Folder::new(&[
        (
            "child.toml",
            "name = \"child\"\nparent = \"parent.toml\"\nchange = \"..\"",
        ),
        (
            "parent.toml",
            "name = \"parent\"\nparent = \"m5\"\nchange = \"..\"\n\n[training]\nepoch = 3",
        ),
    ]);
    let message = folder.open("child.toml").unwrap_err().to_string();
    let place = format!("{}:6: ", folder.path("parent.toml").display());
    assert_eq!(
        message,
        format!("{place}unknown key `epoch` in [training]; did you mean `epochs`?")
    );
}

#[test]
fn a_parent_that_is_not_there_is_told_with_the_line_that_names_it() {
    let folder = Folder::new(&[(
        "child.toml",
        "name = \"child\"\nparent = \"gone.toml\"\nchange = \"..\"",
    )]);
    let message = folder.open("child.toml").unwrap_err().to_string();
    let start = format!(
        "{}:2: the parent `gone.toml` cannot be read: ",
        folder.path("child.toml").display()
    );
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn circles_of_parents_end_in_an_error() {
    let folder = Folder::new(&[
        ("a.toml", "name = \"a\"\nparent = \"b.toml\"\nchange = \"..\""),
        ("b.toml", "name = \"b\"\nparent = \"./a.toml\"\nchange = \"..\""),
        (
            "self.toml",
            "name = \"self\"\nparent = \"../x/../self.toml\"\nchange = \"..\"",
        ),
    ]);
    assert!(matches!(folder.open("a.toml"), Err(RungError::Cycle { .. })));
    assert!(folder.open("self.toml").is_err());
    let catalog = RungCatalog::shipped()
        .with("a", "name = \"a\"\nparent = \"b\"\nchange = \"..\"")
        .with("b", "name = \"b\"\nparent = \"a\"\nchange = \"..\"");
    assert_eq!(
        catalog.get("a").unwrap_err().to_string(),
        "b.toml:2: `a` is its own ancestor; name another `parent`"
    );
}

#[test]
fn a_long_line_of_ancestors_ends_in_an_error() {
    let catalog = (0..100).fold(RungCatalog::shipped(), |catalog, generation| {
        let toml = format!(
            "name = \"g{generation}\"\nparent = \"g{}\"\nchange = \"..\"",
            generation + 1
        );
        catalog.with(&format!("g{generation}"), &toml)
    });
    assert!(matches!(catalog.get("g0"), Err(RungError::TooDeep { .. })));
}

#[test]
fn files_that_are_no_text_are_refused_without_reading_them_whole() {
    let folder = Folder::new(&[("long.toml", &"#\n".repeat(200_000))]);
    fs::write(folder.path("binary.toml"), [b'a', 0xff]).unwrap();
    let message = |name: &str| folder.open(name).unwrap_err().to_string();
    assert!(message("long.toml").ends_with("long.toml: not a rung: longer than 256 KiB"));
    assert!(message("binary.toml").ends_with("binary.toml: not a rung: not UTF-8 from byte 1"));
}

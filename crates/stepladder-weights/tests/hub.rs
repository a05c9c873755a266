//! Downloads from a hub on loopback, which fails in all the ways that networks do.
#![cfg(feature = "hub")]

mod loopback_hub;

use loopback_hub::{COMMIT, Fault, LoopbackHub};
use std::path::{Path, PathBuf};
use stepladder_weights::{Hub, HubServer, WeightsError, sha256};

const NAME: &str = "timm/resnet18.a1_in1k";
const CONFIG: &[u8] = br#"{"architecture": "resnet18"}"#;

fn weights() -> Vec<u8> {
    (0..300_000_u32).flat_map(|number| number.to_le_bytes()).collect()
}

fn hub_with(fault: Fault) -> (LoopbackHub, tempfile::TempDir) {
    let weights = weights();
    let sha256 = sha256(&weights);
    let files: [(&str, &[u8], &str); 2] = [
        ("model.safetensors", &weights, &sha256),
        ("config.json", CONFIG, "not the hash of a large file"),
    ];
    (
        LoopbackHub::start(NAME, &files, fault),
        tempfile::tempdir().unwrap(),
    )
}

fn download(hub: &LoopbackHub, cache: &Path, name: &str) -> Result<PathBuf, WeightsError> {
    let server = HubServer::new(&hub.endpoint);
    let found = server.download(name, &Hub::new(cache), &mut |_, _| true);
    found.map(|model| model.weights)
}

fn incomplete(cache: &Path) -> PathBuf {
    let blobs = cache.join("models--timm--resnet18.a1_in1k/blobs");
    blobs.join(format!("{}.incomplete", sha256(&weights())))
}

#[test]
fn a_model_comes_into_the_cache_as_hugging_faces_programs_leave_it() {
    let (hub, cache) = hub_with(Fault::None);
    let mut last = (0, None);
    let server = HubServer::new(&format!("{}/", hub.endpoint));
    let model = server
        .download(NAME, &Hub::new(cache.path()), &mut |done, size| {
            assert!(done >= last.0);
            last = (done, size);
            true
        })
        .unwrap();
    assert_eq!(last, (weights().len() as u64, Some(weights().len() as u64)));
    assert_eq!((model.name.as_str(), model.commit.as_str()), (NAME, COMMIT));
    assert_eq!(std::fs::read(&model.weights).unwrap(), weights());
    assert_eq!(std::fs::read(model.folder.join("config.json")).unwrap(), CONFIG);
    let blob = model.weights.canonicalize().unwrap();
    if cfg!(unix) {
        assert_eq!(
            blob.file_name().unwrap().to_str(),
            Some(sha256(&weights()).as_str())
        );
    }
    assert!(!incomplete(cache.path()).exists());
    // Once more asks for no weights.
    download(&hub, cache.path(), NAME).unwrap();
    let requests = hub.requests.lock().unwrap();
    let asked = requests
        .iter()
        .filter(|request| request.contains("GET") && request.contains("safetensors"));
    assert_eq!(asked.count(), 1, "{requests:?}");
}

#[test]
fn a_broken_connection_goes_on_from_where_it_was() {
    let (hub, cache) = hub_with(Fault::Cut(500_000));
    let found = download(&hub, cache.path(), NAME).unwrap();
    assert_eq!(std::fs::read(found).unwrap(), weights());
    let requests = hub.requests.lock().unwrap();
    assert!(
        requests.iter().any(|request| request.ends_with("bytes=500000-")),
        "{requests:?}"
    );
}

#[test]
fn what_an_earlier_command_left_is_gone_on_from_or_replaced() {
    for (fault, left) in [
        (Fault::None, weights()[..1000].to_vec()),
        (Fault::NoRanges, weights()[..1000].to_vec()),
        // Longer than the whole: of something else.
        (Fault::None, vec![7; weights().len() + 1]),
    ] {
        let (hub, cache) = hub_with(fault);
        let path = incomplete(cache.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, left).unwrap();
        let found = download(&hub, cache.path(), NAME).unwrap();
        assert_eq!(std::fs::read(found).unwrap(), weights(), "{fault:?}");
    }
}

#[test]
fn a_download_that_is_stopped_is_kept() {
    let (hub, cache) = hub_with(Fault::None);
    let server = HubServer::new(&hub.endpoint);
    let stopped = server.download(NAME, &Hub::new(cache.path()), &mut |done, _| done < 100_000);
    assert!(
        matches!(stopped, Err(WeightsError::DownloadStopped { .. })),
        "{stopped:?}"
    );
    let kept = std::fs::read(incomplete(cache.path())).unwrap();
    assert!(kept.len() >= 100_000 && weights().starts_with(&kept));
    assert!(Hub::new(cache.path()).find(NAME).is_err());
    download(&hub, cache.path(), NAME).unwrap();
}

#[test]
fn what_is_not_as_promised_never_enters_the_cache() {
    for (fault, said) in [
        (Fault::Changed, "not what it promised"),
        (Fault::TooMany, "does not say the length"),
        (Fault::NoHash, "does not say the SHA-256"),
        (Fault::Private, "HF_TOKEN"),
        (Fault::Cut(0), "goes on from there"),
    ] {
        let (hub, cache) = hub_with(fault);
        let message = download(&hub, cache.path(), NAME).unwrap_err().to_string();
        assert!(
            message.contains(said) && message.contains(&hub.endpoint),
            "{message}"
        );
        assert!(Hub::new(cache.path()).find(NAME).is_err(), "{fault:?}");
    }
}

#[test]
fn names_are_followed_within_the_hub_and_missing_ones_said() {
    let (hub, cache) = hub_with(Fault::None);
    let renamed = download(&hub, cache.path(), "old/resnet18.a1_in1k").unwrap();
    assert!(renamed.starts_with(cache.path().join("models--old--resnet18.a1_in1k")));
    let message = download(&hub, cache.path(), "timm/resnet19")
        .unwrap_err()
        .to_string();
    assert!(message.contains("no such model"), "{message}");
    assert!(download(&hub, cache.path(), "../../etc/passwd").is_err());
    let nobody = HubServer::new("http://127.0.0.1:9");
    let refused = nobody.download(NAME, &Hub::new(cache.path()), &mut |_, _| true);
    assert!(
        matches!(refused, Err(WeightsError::Download { .. })),
        "{refused:?}"
    );
}

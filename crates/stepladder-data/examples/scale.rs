//! Stepladder's side of `bench/scale`: `scale DATA` lists, hashes and splits a set, and prints the seconds of each and the most memory held as
//! JSON.

use std::error::Error;
use std::time::Instant;

use stepladder_data::{CacheConfig, DataRequest, Dataset, NoProgress, PhotoStore, Split};
use stepladder_model::SplitFractions;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a zip or a folder")?;
    let cache = tempfile::tempdir()?;
    let start = Instant::now();
    let dataset = Dataset::open(&DataRequest::path(path))?;
    let listed = start.elapsed().as_secs_f64();
    // At 8 pixels the files are read, hashed and decoded, and little is written.
    let store = PhotoStore::open_or_build(&dataset, 8, &CacheConfig::new(cache.path()), &NoProgress)?;
    let read = start.elapsed().as_secs_f64() - listed;
    let fractions = SplitFractions {
        validation: 0.1,
        test: 0.1,
    };
    let split = Split::new(&dataset, &store, &fractions, 0)?;
    let divided = start.elapsed().as_secs_f64() - listed - read;
    println!(
        "{{\"photos\": {}, \"training\": {}, \"list\": {listed:.3}, \"read_and_hash\": {read:.3}, \"split\": {divided:.3}, \"memory_mib\": {}}}",
        dataset.photos.len(),
        split.train.len(),
        memory_mib()
    );
    Ok(())
}

/// The most memory held, in MiB, where the system says.
fn memory_mib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.map_or_else(|| String::from("null"), |kib| (kib / 1024).to_string())
}

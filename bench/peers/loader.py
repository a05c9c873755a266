"""Photos to batches: Stepladder, PyTorch's DataLoader with torchvision's v2 transforms, and Keras' ImageDataGenerator, on the same
photos and cores.

Two cases. `cold`: JPEGs of 1024 x 768 that are not in the system's file cache are decoded, shrunk to 512 px, cut to a square and augmented; for
Stepladder this is the first epoch, in which it also writes its cache. `cached`: photos of 128 px that lie decoded in Stepladder's cache, and
in memory for torchvision, are augmented. Each contestant is a process of its own; rounds alternate, and a figure is the median.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ROOT / "crates/stepladder/photos/small_flowers5.zip"
CASES = {"cold": 512, "cached": 128}


def make_photos(folder: Path, count: int) -> None:
    """Collages of the shipped flowers: 1024 x 768, with as much detail as photos have, in four class folders."""
    import numpy
    from PIL import Image

    random = numpy.random.default_rng(0)
    with zipfile.ZipFile(SHIPPED) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        tiles = [Image.open(io.BytesIO(archive.read(name))).convert("RGB").resize((128, 96)) for name in sorted(names)]
    for number in range(count):
        collage = Image.new("RGB", (1024, 768))
        for place in range(64):
            collage.paste(tiles[random.integers(len(tiles))], (place % 8 * 128, place // 8 * 96))
        path = folder / f"class{number % 4}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        collage.save(path, quality=90)


def forget(folder: Path) -> None:
    """Takes the photos out of the system's file cache."""
    for path in folder.rglob("*.jpg"):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def command(contestant: str, case: str, folder: Path, threads: int, epochs: int) -> list[str]:
    if contestant == "stepladder":
        return [str(ROOT / "target/release/examples/loader"), case, str(folder), str(CASES[case]), str(threads), str(epochs)]
    worker = Path(__file__).with_name("loader_worker.py")
    return [sys.executable, str(worker), contestant, case, str(folder), str(CASES[case]), str(threads), str(epochs)]


def measure(contestant: str, case: str, folder: Path, options) -> float | str:
    """Photos per second, or why there is no figure."""
    if case == "cold":
        forget(folder)
    epochs = 1 if case == "cold" else options.epochs
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    line = command(contestant, case, folder, options.threads, epochs)
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1])["images_per_second"]


CONTESTANTS = {
    "cold": ["stepladder", "torch-pil", "torch-io", "keras", "keras-threads"],
    "cached": ["stepladder", "torch-workers", "torch-batch", "keras"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=400, help="photos that are made")
    parser.add_argument("--threads", type=int, default=len(machine.allowed_cores()))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5, help="epochs of a round from the cache")
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    machine.pin(machine.allowed_cores()[: options.threads])
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--workspace", "--example", "loader"], cwd=ROOT, check=True
    )
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        make_photos(photos, options.photos)
        for case in [options.only] if options.only else CASES:
            figures = {contestant: [] for contestant in CONTESTANTS[case]}
            for _ in range(options.rounds):
                for contestant, values in figures.items():
                    if not (values and isinstance(values[-1], str)):
                        values.append(measure(contestant, case, photos, options))
            results[case] = {
                contestant: values[-1] if isinstance(values[-1], str) else statistics.median(values)
                for contestant, values in figures.items()
            }
    report(results, options)


def report(results: dict, options) -> None:
    print(f"{machine.cpu_name()}, {options.threads} threads, {options.photos} photos, median of {options.rounds} rounds\n")
    print("| case | contestant | photos/s | Stepladder |\n| --- | --- | ---: | ---: |")
    for case, figures in results.items():
        ours = figures["stepladder"]
        for contestant, value in figures.items():
            if isinstance(value, str):
                print(f"| {case} | {contestant} | failed: {value} | |")
            else:
                ratio = "" if contestant == "stepladder" or isinstance(ours, str) else f"{ours / value:.2f}x"
                print(f"| {case} | {contestant} | {value:.0f} | {ratio} |")
    print()
    print(json.dumps({"cpu": machine.cpu_name(), "threads": options.threads, "images_per_second": results}))


if __name__ == "__main__":
    main()

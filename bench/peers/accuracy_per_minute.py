"""Trains Stepladder's `auto` and PyTorch's recipe (torch_time_budget.py) in turn, each within the same wall-clock time.

Photos are a zip or a folder with one folder per class; the table says which are for training and which are answered about. The last line
is one JSON object.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def main():
    options = arguments()
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "stepladder"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = unpacked(options.photos, Path(scratch))
        rows = []
        for seed in range(options.seeds):
            for start in options.start.split(","):
                rows.append(ours(options, Path(scratch), seed, start))
                show(rows[-1])
            if not options.without_torch:
                rows.append(torchs(options, folder, seed))
                show(rows[-1])
    print()
    for who in dict.fromkeys(row["who"] for row in rows):
        own = [row for row in rows if row["who"] == who]
        mean = sum(row["accuracy"] for row in own) / len(own)
        print(f"{who:24} {100 * mean:.1f}% in the mean of {len(own)}, {sum(r['seconds'] for r in own) / len(own):.0f} s")
    print(json.dumps({"budget_seconds": options.budget, "size": options.size, "runs": rows}))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a zip or a folder with one folder per class")
    parser.add_argument("--table", type=Path, required=True, help="file, class and split of each photo, tab-separated")
    parser.add_argument("--budget", type=int, default=200, help="seconds for each training, figures included (default: 200)")
    parser.add_argument("--size", type=int, default=128, help="PyTorch's input, in pixels; auto chooses its own (default: 128)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each (default: 1)")
    parser.add_argument("--start", default="scratch", help="Stepladder's starts: scratch, shipped or both, with a comma")
    parser.add_argument("--without-torch", action="store_true", help="Stepladder alone")
    return parser.parse_args()


def unpacked(photos: Path, scratch: Path) -> Path:
    if photos.is_dir():
        return photos
    with zipfile.ZipFile(photos) as archive:
        archive.extractall(scratch / "photos")
    # Tables name files from the folder of the classes, which an archive may hold in another.
    inside = list((scratch / "photos").iterdir())
    return inside[0] if len(inside) == 1 else scratch / "photos"


def ours(options, scratch: Path, seed: int, start: str) -> dict:
    """One training by `auto`, with a cache of its own: decoding counts."""
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        command = [
            ROOT / "target/release/stepladder", "train", options.photos, "--table", options.table,
            "--budget", f"{options.budget}s", "--seed", str(seed), "--out", f"{place}/run", "--json",
        ]  # fmt: skip
        if start == "scratch":
            command += ["--start", "scratch"]
        environment = {**os.environ, "STEPLADDER_CACHE": f"{place}/cache"}
        began = time.monotonic()
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.monotonic() - began
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    part = "test" if summary.get("test_images") else "val"
    return {
        "who": f"Stepladder, {start}", "seed": seed, "seconds": seconds, "epochs": summary["epochs"],
        "accuracy": summary[f"{part}_accuracy"], "photos": summary[f"{part}_images"],
        "images_per_second": summary["images_per_second"],
    }  # fmt: skip


def torchs(options, folder: Path, seed: int) -> dict:
    command = [sys.executable, HERE / "torch_time_budget.py", folder, options.table, str(options.budget), str(options.size), str(seed)]
    began = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"who": "PyTorch", "seed": seed, "seconds": time.monotonic() - began, **json.loads(done.stdout.strip().splitlines()[-1])}


def show(row: dict):
    low, high = wilson(row["accuracy"], row["photos"])
    print(
        f"{row['who']:24} seed {row['seed']}  {100 * row['accuracy']:.1f}% (95% interval {100 * low:.1f} to {100 * high:.1f}) of {row['photos']}"
        f"  {row['epochs']} epochs  {row['images_per_second']:.0f} photos/s  {row['seconds']:.0f} s",
        flush=True,
    )


def wilson(accuracy: float, count: int) -> tuple[float, float]:
    z, share = 1.959964, 1 / max(count, 1)
    middle = (accuracy + z * z * share / 2) / (1 + z * z * share)
    reach = z * math.sqrt(accuracy * (1 - accuracy) * share + (z * share) ** 2 / 4) / (1 + z * z * share)
    return middle - reach, middle + reach


if __name__ == "__main__":
    main()

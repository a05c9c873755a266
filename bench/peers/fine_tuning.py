"""Fine-tunes EfficientNet-Lite0's ImageNet weights with Stepladder and with PyTorch (torch_fine_tuning.py), in turn.

Both begin with a head that is fitted to the features of all training photos and their mirror images, and then train all layers by AdamW
with one-cycle and lower rates for earlier stages. The last line is one JSON object.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from accuracy_per_minute import HERE, ROOT, show, unpacked

WEIGHTS = ROOT / "crates/stepladder-weights/weights/efficientnet-lite0.safetensors.gz"


def main():
    options = arguments()
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "stepladder"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = unpacked(options.photos, Path(scratch))
        weights = decompressed(Path(scratch))
        rows = []
        for seed in range(options.seeds):
            rows += [ours(options, Path(scratch), seed), torchs(options, folder, weights, seed)]
            show(rows[-2])
            show(rows[-1])
    mean = lambda who, key: sum(row[key] for row in rows if row["who"] == who) / options.seeds
    ratio = mean("PyTorch", "seconds") / mean("Stepladder", "seconds")
    print(f"\nPyTorch takes {ratio:.2f} times as long")
    print(json.dumps({"size": options.size, "epochs": options.epochs, "ratio": ratio, "runs": rows}))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a zip or a folder with one folder per class")
    parser.add_argument("--table", type=Path, required=True, help="file, class and split of each photo, tab-separated")
    parser.add_argument("--size", type=int, default=160, help="input in pixels (default: 160)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of fine-tuning (default: 5)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each (default: 1)")
    return parser.parse_args()


def decompressed(scratch: Path) -> Path:
    """The shipped weights as timm reads them; oracle/shipped_weights.py says how they are compressed."""
    halves = gzip.decompress(WEIGHTS.read_bytes())
    middle = (len(halves) + 1) // 2
    content = bytearray(len(halves))
    content[0::2], content[1::2] = halves[:middle], halves[middle:]
    path = scratch / "efficientnet-lite0.safetensors"
    path.write_bytes(content)
    return path


def ours(options, scratch: Path, seed: int) -> dict:
    """One training, with a cache of its own: decoding counts."""
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        command = [
            ROOT / "target/release/stepladder", "train", options.photos, "--table", options.table, "--start", "shipped", "--frozen", "none",
            "--size", str(options.size), "--epochs", str(options.epochs), "--seed", str(seed), "--out", f"{place}/run", "--json",
        ]  # fmt: skip
        environment = {**os.environ, "STEPLADDER_CACHE": f"{place}/cache"}
        began = time.monotonic()
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.monotonic() - began
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    part = "test" if summary.get("test_images") else "val"
    return {
        "who": "Stepladder", "seed": seed, "seconds": seconds, "epochs": summary["epochs"], "accuracy": summary[f"{part}_accuracy"],
        "photos": summary[f"{part}_images"], "images_per_second": summary["images_per_second"],
    }  # fmt: skip


def torchs(options, folder: Path, weights: Path, seed: int) -> dict:
    script = HERE / "torch_fine_tuning.py"
    command = [sys.executable, script, folder, options.table, weights, str(options.size), str(options.epochs), str(seed)]
    began = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"who": "PyTorch", "seed": seed, "seconds": time.monotonic() - began, **json.loads(done.stdout.strip().splitlines()[-1])}


if __name__ == "__main__":
    main()

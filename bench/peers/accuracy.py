"""Do rungs reach the same accuracy in Stepladder and in Keras? Same photos, split, network, optimizer, epochs; some seeds.

Stepladder climbs the rungs first, and its runs say which photo was for what. Keras then trains on those, read by Pillow.
Both keep what is done: a call that was interrupted goes on, training by training.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "oracle"))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import rungs  # noqa: E402
from keras.src.legacy.preprocessing.image import ImageDataGenerator  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def climb(options: argparse.Namespace) -> None:
    """Trains Stepladder's side, or goes on with it."""
    command = [options.program, "climb", options.data, "--rungs", ",".join(options.rungs)]
    command += ["--seeds", str(options.seeds), "--size", str(options.size), "--epochs", str(options.epochs)]
    command += ["--into", options.into / "stepladder"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def photos(data: Path, run: Path, size: int) -> tuple[dict, list[str]]:
    """`(images, labels)` of each part, images `(N, size, size, 3)` in 0..255, as `run` has split them; and the classes."""
    with open(run / "split.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    classes = sorted({row["class"] for row in rows})
    archive = zipfile.ZipFile(data) if data.suffix == ".zip" else None

    def read(name: str) -> np.ndarray:
        with archive.open(name) if archive else open(data / name, "rb") as file:
            photo = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
        return np.asarray(ImageOps.fit(photo, (size, size), Image.Resampling.BILINEAR), np.uint8)

    parts = {}
    for part in ("train", "validation", "test"):
        chosen = [row for row in rows if row["part"] == part]
        images = np.stack([read(row["file"]) for row in chosen]).astype(np.float32)
        parts[part] = (images, np.array([classes.index(row["class"]) for row in chosen]))
    return parts, classes


def batches(rung: dict, images: np.ndarray, labels: np.ndarray, seed: int):
    """Shuffled batches of training photos in 0..1, with the rung's augmentation."""
    augmentation = rung.get("augmentation") or {}
    if any(layer["layer"].startswith(("Rand", "ColorJitter", "TrivialAugment")) for layer in rung["layers"]):
        sys.exit(f"{rung['name']}: augmentation by layers in the model is not known here")
    generator = ImageDataGenerator(rescale=1 / 255, **augmentation)
    return generator.flow(images, labels, batch_size=rung["training"]["batch_size"], seed=seed)


def train(rung: dict, parts: dict, classes: int, options: argparse.Namespace, seed: int) -> list[bool]:
    """Trains one rung in Keras; which test photos it then names rightly."""
    if rung["schedule"]["type"] != "constant":
        sys.exit(f"{rung['name']}: schedule {rung['schedule']['type']} is not known here")
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model, _ = rungs.network(rung, options.size, classes, dropout=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(rungs.optimizer(rung), loss, metrics=["accuracy"])
    model.fit(
        batches(rung, *parts["train"], seed),
        validation_data=(parts["validation"][0] / 255, parts["validation"][1]),
        epochs=options.epochs,
        callbacks=[keras.callbacks.EarlyStopping(**rung["early_stopping"])],
        verbose=0,
    )
    images, labels = parts["test"]
    return (model.predict(images / 255, verbose=0).argmax(1) == labels).tolist()


def ours(run: Path) -> list[bool]:
    """Which test photos a run named rightly."""
    with open(run / "test_predictions.tsv", newline="") as file:
        return [row["class"] == row["predicted"] for row in csv.DictReader(file, delimiter="\t")]


def interval(right: np.ndarray) -> tuple[float, float]:
    """Mean of `right` `(seeds, photos)`, and half of its 95% interval over the choice of both.

    The variances of the mean over seeds and over photos are added; with few seeds Student's t is wider than the normal.
    """
    seeds, count = right.shape
    mean = right.mean()
    of_photos = right.mean(0).var(ddof=1) / count
    of_seeds = right.mean(1).var(ddof=1) / seeds if seeds > 1 else 0.0
    # 97.5% points of Student's t for 1 to 9 degrees of freedom.
    t = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]
    factor = t[min(seeds - 2, 8)] if seeds > 1 else 1.96
    return mean, math.sqrt((1.96**2) * of_photos + (factor**2) * of_seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a zip or folder of photos")
    parser.add_argument("--rungs", type=lambda text: text.split(","), default=["baseline", "m6", "m17"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--into", type=Path, default=Path("accuracy"), help="what is done is kept here")
    parser.add_argument("--program", type=Path, default=REPOSITORY / "target/release/stepladder")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    climb(options)

    parts, classes = photos(
        options.data, options.into / f"stepladder/{options.rungs[0]}-seed0", options.size
    )
    results = {}
    print("| rung | Stepladder % | Keras % | difference, points | agree |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name in options.rungs:
        rung = rungs.load(name)
        sides = {"stepladder": [], "keras": []}
        for seed in range(options.seeds):
            kept = options.into / f"keras-{name}-seed{seed}-{options.size}px-{options.epochs}.json"
            if not kept.exists():
                right = train(rung, parts, len(classes), options, seed)
                kept.with_suffix(".new").write_text(json.dumps(right))
                kept.with_suffix(".new").rename(kept)
                print(f"{name} seed {seed}: Keras {100 * np.mean(right):.1f}%", file=sys.stderr)
            sides["keras"].append(json.loads(kept.read_text()))
            sides["stepladder"].append(ours(options.into / f"stepladder/{name}-seed{seed}"))
        a, b = np.array(sides["stepladder"], float), np.array(sides["keras"], float)
        (mean_a, half_a), (mean_b, half_b) = interval(a), interval(b)
        difference, half = mean_a - mean_b, math.hypot(half_a, half_b)
        agree = abs(difference) <= half
        row = [f"{100 * m:.1f} ± {100 * h:.1f}" for m, h in ((mean_a, half_a), (mean_b, half_b), (difference, half))]
        print(f"| {name} | {row[0]} | {row[1]} | {row[2]} | {'yes' if agree else 'no'} |", flush=True)
        results[name] = {
            side: [float(np.mean(seed)) for seed in rights] for side, rights in sides.items()
        } | {"agree": bool(agree)}
    print(f"\nKeras {keras.__version__}; {options.seeds} seeds, {options.epochs} epochs, {options.size} px")
    print(json.dumps(results))


if __name__ == "__main__":
    main()

"""Asks PyTorch for what EfficientNet-Lite0 makes of a photo: with the package's own weights, and with the shipped ones, which are
rounded. Writes the photo, and digests of the features.

Usage: oracle/python oracle/golden_shipped.py
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import safetensors.torch
import shipped_weights
import timm
import torch
from PIL import Image

CRATES = Path(__file__).resolve().parent.parent / "crates"
PHOTOS = CRATES / "stepladder/photos/small_flowers5.zip"
PHOTO = "small_flowers5/daisy/10437770546_8bb6f7bdd3_m.jpg"
OUT = CRATES / "stepladder-weights/tests/golden/shipped"
SIZE, SAMPLES = 64, 128


def photo() -> Image.Image:
    """The middle of one of the photos that are part of the program."""
    with zipfile.ZipFile(PHOTOS) as archive:
        image = Image.open(io.BytesIO(archive.read(PHOTO))).convert("RGB")
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return image.crop((left, top, left + SIZE, top + SIZE))


def features(weights: dict[str, torch.Tensor], image: Image.Image) -> np.ndarray:
    """What the network gives its head, in f64."""
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    missing = model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    assert all("num_batches_tracked" in name for name in missing.missing_keys), missing
    pixels = torch.from_numpy((np.asarray(image, np.float64) - 127) / 128).permute(2, 0, 1)[None]
    with torch.no_grad():
        return model.double()(pixels)[0].numpy()


def digest(values: np.ndarray) -> dict:
    at = np.arange(SAMPLES) * values.size // SAMPLES
    return {"norm": float(f"{np.linalg.norm(values):.8g}"), "values": [float(f"{value:.8g}") for value in values[at]]}


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    image = photo()
    image.save(OUT / "photo.png", optimize=True)
    original = shipped_weights.renamed(shipped_weights.download())
    original = {name: tensor for name, tensor in original.items() if not name.startswith("classifier.")}
    shipped = safetensors.torch.load_file(shipped_weights.OUT)
    document = {
        "photo": PHOTO,
        "source": f"timm {timm.__version__} tf_efficientnet_lite0, torch {torch.__version__}",
        "original": digest(features(original, image)),
        "shipped": digest(features(shipped, image)),
    }
    (OUT / "features.json").write_text(json.dumps(document, indent=1) + "\n")
    print(document["original"]["norm"], document["shipped"]["norm"])

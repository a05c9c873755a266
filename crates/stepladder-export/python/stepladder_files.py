"""Reads the folder that `stepladder export --format keras` wrote. Needs numpy, and Python 3.11 for its TOML reader.

weights.safetensors  every parameter, under Keras' names and in Keras' layouts
rung.toml            the network, layer by layer, and its training
model.json           classes, preprocessing, and if there are any, calibration and figures
"""

import json
import re
import struct
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np


# How the names of layers begin that change photos in training alone.
AUGMENTATION = ("Rand", "ColorJitter", "TrivialAugment")


@dataclass
class Exported:
    """What the folder holds."""

    rung: dict
    classes: list[str]
    size: int | tuple[int, int]
    temperature: float
    arrays: dict[str, np.ndarray]

    @property
    def flips(self) -> bool:
        """Whether an answer is the mean over the photo and its mirror image."""
        return self.rung.get("evaluation", {}).get("flips", False)


def read(folder: str | Path) -> Exported:
    """Reads everything in `folder`."""
    folder = Path(folder)
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Exported(
        rung=tomllib.loads((folder / "rung.toml").read_text(encoding="utf-8")),
        classes=model["classes"],
        size=model["preprocessing"]["size"],
        temperature=model.get("temperature", 1.0),
        arrays=read_safetensors(folder / "weights.safetensors"),
    )


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The F32 arrays of a safetensors file by name: eight bytes of length, a JSON header, and the values."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, values = json.loads(content[8 : 8 + length]), content[8 + length :]
    arrays = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        assert info["dtype"] == "F32", f"{name} is {info['dtype']}"
        begin, end = info["data_offsets"]
        arrays[name] = np.frombuffer(values[begin:end], "<f4").reshape(info["shape"])
    return arrays


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of a size, which is one number for a square."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def prepare(image, size: int | tuple[int, int], resize: str = "") -> np.ndarray:
    """A photo, opened with Pillow, as the network's input: [height, width, 3], RGB from 0 to 1.

    Upright by EXIF, bilinearly to `size`, antialiased where it shrinks: the largest central part of that shape, or what `resize` says, from
    `preprocessing` in `model.json`: the whole photo on gray, the whole photo stretched, or Lanczos' filter in an older model. Pillow rounds
    some pixels to the neighboring byte of what Stepladder has.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image).convert("RGB")
    height, width = sides(size)
    if "both sides" in resize:
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32) / 255
    if "long side" in resize or "fits into" in resize:
        # The side that fills the input, before and after.
        wider = image.width * height > width * image.height
        old, new = (image.width, width) if wider else (image.height, height)
        whole = image.resize([max(1, (side * new + old // 2) // old) for side in image.size], Image.Resampling.BILINEAR)
        padded = Image.new("RGB", (width, height), (128, 128, 128))
        padded.paste(whole, ((width - whole.width) // 2, (height - whole.height) // 2))
        return np.asarray(padded, np.float32) / 255
    # Rounded up.
    part = (min(image.width, -(-image.height * width // height)), min(image.height, -(-image.width * height // width)))
    left, top = (image.width - part[0]) // 2, (image.height - part[1]) // 2
    box = (left, top, left + part[0], top + part[1])
    shrinks = part[0] > width or part[1] > height
    if not shrinks:
        # What is enlarged, or taken as it is, is cut first: no pixel beyond the part is seen.
        image, box = image.crop(box), None
    filter = Image.Resampling.LANCZOS if "Lanczos" in resize and shrinks else Image.Resampling.BILINEAR
    return np.asarray(image.resize((width, height), filter, box), np.float32) / 255


def entries(rung: dict) -> list[dict]:
    """The layers that compute, each with a name and a list of inputs (`image`, or other layers' names).

    A layer without a name has the one that Keras gives: its kind, numbered from the second on; a number that the rung has
    given away is passed over. A layer without inputs takes the output of the one before it.
    """
    layers = [layer for layer in rung["layers"] if not layer["layer"].startswith(AUGMENTATION)]
    given = {layer["name"] for layer in layers if "name" in layer}
    count, before, made = {}, "image", []
    for layer in layers:
        entry = dict(layer)
        if "name" not in entry:
            kind = snake_case(entry["layer"])
            number = count.get(kind, 0)
            while (name := f"{kind}_{number}" if number else kind) in given:
                number += 1
            count[kind], entry["name"] = number + 1, name
        entry["inputs"] = entry.get("inputs") or [entry.pop("input", before)]
        before = entry["name"]
        made.append(entry)
    return made


def pads(spec: dict) -> list[list[int]] | None:
    """A layer's padding in numbers, [[top, bottom], [left, right]]; None where it is `valid` or `same`."""
    padding = spec.get("padding", "valid")
    if isinstance(padding, str):
        return None
    sides = [padding, padding] if isinstance(padding, int) else padding
    return [[side, side] if isinstance(side, int) else list(side) for side in sides]


def snake_case(kind: str) -> str:
    """`LeakyReLU` as `leaky_re_lu`, `Conv2D` as `conv2d`: Keras' own rule."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()

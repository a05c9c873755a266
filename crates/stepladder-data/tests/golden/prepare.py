"""Asks the Python that is exported beside a model, on Pillow, for a network's input, by each way of scaling.

Usage, with numpy and pillow: python crates/stepladder-data/tests/golden/prepare.py
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "stepladder-export/python"))
from stepladder_files import prepare  # noqa: E402

# As the header of a model says it.
RESIZE = {
    "crop": "upright by EXIF; central square to size: bilinear, antialiased where it shrinks",
    "pad": "upright by EXIF; long side to size, centered on gray of 128 in 255: bilinear, antialiased where it shrinks",
    "stretch": "upright by EXIF; both sides to size: bilinear, antialiased where it shrinks",
}

# Of input that is not square.
RESIZE_OTHER = RESIZE | {
    "crop": "upright by EXIF; largest central part of size's shape to size: bilinear, antialiased where it shrinks",
    "pad": "upright by EXIF; as large as fits into size, centered on gray of 128 in 255: bilinear, antialiased where it shrinks",
}


def photo(width: int, height: int) -> Image.Image:
    y, x, c = np.meshgrid(range(height), range(width), range(3), indexing="ij")
    return Image.fromarray(((37 * y + 11 * x + 71 * c + 5 * x * y) % 256).astype(np.uint8))


def case(fit: str, width: int, height: int, size: int | tuple[int, int]) -> dict:
    out = prepare(photo(width, height), size, (RESIZE if isinstance(size, int) else RESIZE_OTHER)[fit]) * 255
    return {"fit": fit, "photo": [width, height], "size": size, "out": [round(float(v)) for v in out.reshape(-1)]}


shapes = [(23, 17, 8), (9, 30, 7), (6, 4, 9)]
shapes += [(23, 17, (6, 8)), (9, 30, (4, 10)), (6, 4, (9, 5)), (20, 21, (12, 7))]
cases = [case(fit, *shape) for fit in RESIZE for shape in shapes]
(HERE / "prepare.json").write_text(json.dumps(cases) + "\n")

"""A strong recipe in plain PyTorch for training from random weights on a CPU within a wall-clock time.

A small residual network with SiLU, channels-last, in bf16 where the processor has its products, AdamW with one-cycle, random resized crops, flips, label smoothing, and mirror
images averaged at the end. Usage: torch_time_budget.py FOLDER TABLE SECONDS PIXELS SEED; the last line is one JSON object.
"""

import csv
import json
import math
import random
import sys
import time
from pathlib import Path

START = time.monotonic()

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

# Where the processor has no bf16 products, f32 is many times as fast.
FAST_BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()

BATCH, RATE, DECAY, RISE, SMOOTHING = 64, 3e-3, 0.05, 0.2, 0.1


def main():
    folder, table, budget, pixels, seed = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    torch.manual_seed(seed)
    random.seed(seed)
    rows = list(csv.DictReader(open(table), delimiter="\t"))
    classes = sorted({row["class"] for row in rows})
    parts = [[row for row in rows if (row["split"] == "train") == wanted] for wanted in (True, False)]
    # A little larger than the input, so that crops have something to cut from.
    large = int(pixels * 1.15)
    (x, y), (x_test, y_test) = (loaded(folder, part, classes, large) for part in parts)
    mean = x[::4].float().mean((0, 2, 3), keepdim=True) / 255
    deviation = x[::4].float().std((0, 2, 3), keepdim=True) / 255
    normalized = lambda photos: ((photos / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)
    net = network(len(classes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY, fused=True)
    # The figures at the end belong to the time.
    limit = budget - answer_seconds(net, normalized, x_test, large, pixels)
    steps = 0
    while elapsed() < limit:
        for batch in torch.randperm(len(x)).split(BATCH):
            share = elapsed() / limit
            if share >= 1:
                break
            if len(batch) < BATCH:
                continue
            rise = share / RISE if share < RISE else 0.5 * (1 + math.cos(math.pi * (share - RISE) / (1 - RISE)))
            for group in optimizer.param_groups:
                group["lr"] = RATE * rise + 1e-5
            photos = normalized(augmented(x[batch], large, pixels))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=FAST_BF16):
                loss = F.cross_entropy(net(photos), y[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    trained = elapsed()
    correct = sum((p.argmax(1) == t).sum().item() for p, t in answers(net, normalized, x_test, y_test, large, pixels))
    shown = steps * BATCH
    print(json.dumps({
        "accuracy": correct / len(x_test), "photos": len(x_test), "epochs": round(shown / len(x), 1), "images_per_second": shown / trained,
    }))  # fmt: skip


def elapsed() -> float:
    return time.monotonic() - START


def loaded(folder: Path, rows: list, classes: list, side: int):
    photos = torch.stack([photo(folder / row["file"], side) for row in rows])
    return photos, torch.tensor([classes.index(row["class"]) for row in rows])


def photo(path: Path, side: int) -> torch.Tensor:
    image = Image.open(path).convert("RGB")
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return torch.from_numpy(np.array(image.crop((left, top, left + side, top + side)))).permute(2, 0, 1)


def augmented(photos: torch.Tensor, large: int, pixels: int) -> torch.Tensor:
    out = []
    for image in photos:
        area = random.uniform(0.35, 1) * large * large
        ratio = math.exp(random.uniform(math.log(0.75), math.log(1.33)))
        height, width = (min(large, int(side)) for side in ((area * ratio) ** 0.5, (area / ratio) ** 0.5))
        top, left = random.randint(0, large - height), random.randint(0, large - width)
        crop = image[None, :, top : top + height, left : left + width].float()
        crop = F.interpolate(crop, (pixels, pixels), mode="bilinear", align_corners=False)
        out.append(crop.flip(3) if random.random() < 0.5 else crop)
    return torch.cat(out)


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.path = nn.Sequential(block(channels, channels), block(channels, channels))

    def forward(self, x):
        return x + self.path(x)


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU(inplace=True))


def network(classes: int) -> nn.Module:
    stage = lambda inputs, outputs: [block(inputs, outputs), nn.MaxPool2d(2), Residual(outputs)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, classes)]
    return nn.Sequential(block(3, 32, 2), *stage(32, 64), *stage(64, 128), *stage(128, 256), *head)


def answers(net, normalized, photos, labels, large: int, pixels: int):
    at = (large - pixels) // 2
    net.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=FAST_BF16):
        for start in range(0, len(photos), 128):
            x = normalized(photos[start : start + 128, :, at : at + pixels, at : at + pixels].float())
            yield net(x).float().softmax(1) + net(x.flip(3)).float().softmax(1), labels[start : start + 128]
    net.train()


def answer_seconds(net, normalized, photos, large: int, pixels: int) -> float:
    """Seconds of the answers about all of `photos`, by those about a few."""
    few = photos[:128]
    # The first pass makes kernels ready, and is no measure of the others.
    for _ in range(2):
        began = elapsed()
        list(answers(net, normalized, few, torch.zeros(len(few)), large, pixels))
    return (elapsed() - began) * len(photos) / len(few)


if __name__ == "__main__":
    main()

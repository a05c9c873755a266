"""Stepladder's recipe for pretrained weights in plain PyTorch and timm.

A head fitted by L-BFGS to the features of the training photos and their mirror images; then all layers by AdamW with one-cycle, rates that
fall by a fifth with each stage from the last, batch normalization by its moving statistics, label smoothing, small turns, shifts and
zooms; answers averaged over mirror images. Usage: torch_fine_tuning.py FOLDER TABLE WEIGHTS PIXELS EPOCHS SEED; the last line is one JSON
object.
"""

import csv
import json
import math
import random
import re
import sys
import time
from pathlib import Path

import safetensors.torch
import timm
import torch
import torch.nn.functional as F
from torch import nn

from torch_time_budget import FAST_BF16, loaded

BATCH, RATE, DECAY, STAGE, SMOOTHING = 32, 6e-4, 0.05, 0.8, 0.1
# Of the weights of the head, as the choice on validation finds it for such features.
STRENGTH = 0.0316


def main():
    folder, table, weights = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    pixels, epochs, seed = (int(argument) for argument in sys.argv[4:7])
    torch.manual_seed(seed)
    random.seed(seed)
    rows = list(csv.DictReader(open(table), delimiter="\t"))
    classes = sorted({row["class"] for row in rows})
    answered = "test" if any(row["split"] == "test" for row in rows) else "val"
    parts = [[row for row in rows if row["split"] == part] for part in ("train", answered)]
    (x, y), (x_test, y_test) = (loaded(folder, part, classes, pixels) for part in parts)
    net = network(weights, len(classes))
    fit_head(net, x, y)
    groups = stages(net)
    optimizer = torch.optim.AdamW(groups, RATE, weight_decay=DECAY, fused=True)
    steps = epochs * math.ceil(len(x) / BATCH)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, cycle_momentum=False)
    began = time.monotonic()
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(BATCH):
            photos = normalized(augmented(x[batch].float()))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=FAST_BF16):
                loss = F.cross_entropy(net(photos), y[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    speed = epochs * len(x) / max(time.monotonic() - began, 1e-9)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=FAST_BF16):
        views = lambda photos: net(photos).float().softmax(1) + net(photos.flip(3)).float().softmax(1)
        correct = sum(
            (views(normalized(photos.float())).argmax(1) == labels).sum().item()
            for photos, labels in zip(x_test.split(64), y_test.split(64))
        )
    print(json.dumps({"accuracy": correct / len(x_test), "photos": len(x_test), "epochs": epochs, "images_per_second": speed}))


def network(weights: str, classes: int) -> nn.Module:
    net = timm.create_model("tf_efficientnet_lite0", num_classes=classes)
    found = {name: tensor.float() for name, tensor in safetensors.torch.load_file(weights).items()}
    missing = net.load_state_dict(found, strict=False).missing_keys
    assert all(name.startswith("classifier") or name.endswith("num_batches_tracked") for name in missing), missing
    # Moving statistics throughout: nothing in this network but batch normalization differs between training and answering.
    return net.eval().to(memory_format=torch.channels_last)


def normalized(photos: torch.Tensor) -> torch.Tensor:
    return ((photos - 127) / 128).contiguous(memory_format=torch.channels_last)


def fit_head(net: nn.Module, x: torch.Tensor, y: torch.Tensor):
    features = lambda photos: net.forward_head(net.forward_features(photos), pre_logits=True).float()
    rows = []
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=FAST_BF16):
        for photos in x.split(64):
            photos = normalized(photos.float())
            rows.append(torch.stack([features(photos), features(photos.flip(3))]))
    rows = torch.cat(rows, dim=1).flatten(0, 1)
    mean, deviation = rows.mean(0), rows.std()
    scaled, labels = (rows - mean) / deviation, y.repeat(2)
    head = nn.Linear(rows.shape[1], net.classifier.out_features)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    solver = torch.optim.LBFGS(head.parameters(), max_iter=200, history_size=12, tolerance_grad=1e-5, line_search_fn="strong_wolfe")

    def loss():
        solver.zero_grad()
        value = F.cross_entropy(head(scaled), labels, label_smoothing=SMOOTHING) + STRENGTH / 2 * head.weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    with torch.no_grad():
        net.classifier.weight.copy_(head.weight / deviation)
        net.classifier.bias.copy_(head.bias - head.weight @ mean / deviation)


def stages(net: nn.Module) -> list[dict]:
    """The parameters by stage, with the rate of each."""
    def stage(name: str) -> int:
        block = re.match(r"blocks\.(\d)", name)
        return 1 + int(block[1]) if block else 0 if name.startswith(("conv_stem", "bn1")) else 8 if name.startswith("classifier") else 7

    groups = {}
    for name, parameter in net.named_parameters():
        groups.setdefault(stage(name), []).append(parameter)
    return [{"params": groups[at], "lr": RATE * STAGE ** (8 - at)} for at in sorted(groups)]


def augmented(photos: torch.Tensor) -> torch.Tensor:
    """Turned by up to 15 degrees, shifted by up to 8%, zoomed by up to 15%, half of them mirrored."""
    count = len(photos)
    uniform = lambda low, high: torch.empty(count).uniform_(low, high)
    angle, zoom = uniform(-math.pi / 12, math.pi / 12), uniform(0.85, 1.15)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [torch.stack([cos * mirror, -sin, uniform(-0.16, 0.16)], 1), torch.stack([sin * mirror, cos, uniform(-0.16, 0.16)], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), photos.shape, align_corners=False)
    return F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)


if __name__ == "__main__":
    main()

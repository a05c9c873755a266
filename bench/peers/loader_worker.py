"""One contestant of bench/loader in a process of its own: `loader_worker.py CONTESTANT CASE FOLDER SIZE THREADS EPOCHS` prints its photos
per second. The augmentation is what the ladder's m13 does, in each library's own words, with bilinear resampling."""

import json
import os
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

BATCH = 32


def torch_case(contestant: str, case: str, folder: str, size: int, threads: int, epochs: int) -> float:
    import torch
    from torch.utils.data import DataLoader, Dataset
    from torchvision import datasets, io
    from torchvision.transforms import InterpolationMode, v2

    augment = [
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(
            degrees=45, translate=(0.05, 0.05), scale=(0.9, 1.1), shear=3, interpolation=InterpolationMode.BILINEAR
        ),
        v2.ColorJitter(brightness=0.2),
        v2.ToDtype(torch.float32, scale=True),
    ]
    square = [v2.Resize(size, antialias=True), v2.CenterCrop(size)]

    if case == "cold":
        # As torchvision's own guide has it: PIL decodes and resizes, tensors are augmented; or libjpeg decodes into a tensor.
        if contestant == "torch-pil":
            load, transform = datasets.folder.default_loader, v2.Compose([*square, v2.ToImage(), *augment])
        else:
            load, transform = (lambda path: io.decode_image(path, mode="RGB")), v2.Compose([*square, *augment])
        data = datasets.ImageFolder(folder, transform=transform, loader=load)
    else:
        pictures = decoded(folder, size)
        tensors = [torch.from_numpy(picture).permute(2, 0, 1).contiguous() for picture in pictures]
        transform = v2.Compose(augment)
        if contestant == "torch-batch":
            # One draw for each whole batch: less random, and as fast as it gets.
            torch.set_num_threads(threads)
            start = time.perf_counter()
            for epoch in range(epochs):
                order = torch.randperm(len(tensors))
                for place in range(0, len(tensors), BATCH):
                    transform(torch.stack([tensors[i] for i in order[place : place + BATCH]]))
            return epochs * len(tensors) / (time.perf_counter() - start)

        class Memory(Dataset):
            def __len__(self):
                return len(tensors)

            def __getitem__(self, place):
                return transform(tensors[place])

        data = Memory()

    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=threads, persistent_workers=True)
    count = 0
    if case != "cold":
        # Starting the workers is no part of an epoch that comes later.
        for _ in loader:
            pass
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in loader:
            count += len(batch[0] if case == "cold" else batch)
    return count / (time.perf_counter() - start)


def keras_case(contestant: str, case: str, folder: str, size: int, threads: int, epochs: int) -> float:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import numpy
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=45,
        width_shift_range=0.05,
        height_shift_range=0.05,
        shear_range=3,
        zoom_range=0.1,
        horizontal_flip=True,
        brightness_range=(0.8, 1.2),
    )
    if case == "cold":
        batches = generator.flow_from_directory(
            folder, target_size=(size, size), batch_size=BATCH, interpolation="bilinear"
        )
    else:
        pictures = numpy.stack(decoded(folder, size))
        batches = generator.flow(pictures, numpy.zeros(len(pictures)), batch_size=BATCH)
    count = 0
    start = time.perf_counter()
    for _ in range(epochs):
        if contestant == "keras-threads":
            with ThreadPool(threads) as pool:
                count += sum(len(batch[0]) for batch in pool.imap(batches.__getitem__, range(len(batches))))
        else:
            count += sum(len(batches[place][0]) for place in range(len(batches)))
    return count / (time.perf_counter() - start)


def decoded(folder: str, size: int) -> list:
    """The photos as squares in memory."""
    import numpy
    from PIL import Image

    squares = []
    for path in sorted(Path(folder).rglob("*.jpg")):
        picture = Image.open(path).convert("RGB")
        short = min(picture.size)
        left, top = (picture.width - short) // 2, (picture.height - short) // 2
        squares.append(numpy.array(picture.crop((left, top, left + short, top + short)).resize((size, size))))
    return squares


if __name__ == "__main__":
    contestant, case, folder, *numbers = sys.argv[1:]
    run = torch_case if contestant.startswith("torch") else keras_case
    print(json.dumps({"images_per_second": run(contestant, case, folder, *map(int, numbers))}))

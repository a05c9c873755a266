"""Reproducible numbers: the same in Python and in Rust (`tests/golden.rs`), so that weights need not be stored."""

import zlib

import numpy as np


def unit(name: str, count: int) -> np.ndarray:
    """`count` float32 values in [-1, 1), a hash of `name` and the index: 24 bits of a multiplied, mixed u32."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(zlib.crc32(name.encode()))
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
        x = x ^ (x >> np.uint32(16))
    return ((x >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23)) - np.float32(1)


def parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a plausible scale for the parameter called `<layer>/<parameter>`."""
    values = unit(name, int(np.prod(shape))).reshape(shape)
    kind = name.rsplit("/", 1)[1]
    if kind in ("gamma", "moving_variance"):
        return np.float32(1) + np.float32(0.25) * values
    if len(shape) == 1:  # biases, beta, moving_mean
        return np.float32(0.125) * values
    fan_in = int(np.prod(shape[:-1]))
    return np.float32((6.0 / fan_in) ** 0.5) * values  # He: signals keep their scale through many layers


def images(batch: int, size: int, classes: int) -> np.ndarray:
    """A batch of photos in [0, 1), NHWC: photo i is the pattern of class i % classes, with noise."""
    count = size * size * 3
    noise = unit("noise", batch * count).reshape(batch, size, size, 3)
    patterns = [unit(f"class {i % classes}", count).reshape(size, size, 3) for i in range(batch)]
    return np.float32(0.5) + np.float32(0.25) * np.stack(patterns) + np.float32(0.25) * noise

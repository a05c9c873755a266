"""What can be known of the machine."""

import os
import platform
from pathlib import Path


def cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def cpu_name() -> str:
    """The processor, and its vector instructions where the system tells."""
    for line in cpu_info().splitlines():
        if line.startswith("model name"):
            sets = ["avx512_bf16", "avx512f", "avx2"]
            best = next((name for name in sets if f" {name} " in flags()), None)
            return line.split(":", 1)[1].strip() + (f" ({best})" if best else "")
    return platform.processor() or platform.machine()


def flags() -> str:
    lines = (line for line in cpu_info().splitlines() if line.startswith(("flags", "Features")))
    return f" {next(lines, '').split(':')[-1].strip()} "


def has_bf16() -> bool:
    """Whether the processor multiplies bf16, without which a bf16 form of a framework has little to gain."""
    return any(f" {name} " in flags() for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"))


def allowed_cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(cores: list[int]) -> None:
    """Binds this process, and those that it starts, to these cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)

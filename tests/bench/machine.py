"""On what a benchmark ran, in one sentence."""

import os
import platform
from datetime import UTC, datetime


def machine(load_before: float) -> str:
    """Kernel, processor, interpreter, and how busy the machine was: other work makes the figures worse and wider."""
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, Linux {platform.release().split('-')[0]}, {os.cpu_count()} cores"
        f" ({_model()}), Python {platform.python_version()};"
        f" load average {load_before:.1f} before, {load:.1f} after."
    )


def _model() -> str:
    with open("/proc/cpuinfo") as lines:
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")

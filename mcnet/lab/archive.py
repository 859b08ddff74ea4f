"""Writes container images of one layer, as `docker-archive` files that containerd imports.

For images made out of finished files; building from a Containerfile is image.py's work.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(path: Path, name: str, files: Mapping[str, Path | bytes], entrypoint: Sequence[str]) -> None:
    """Writes an image called `name` (with its tag) to `path`.

    `files` are executables by their absolute path in the image. The same input gives the same bytes.
    """
    layer = path.with_suffix(".layer")
    try:
        with layer.open("wb") as raw, tarfile.open(fileobj=raw, mode="w") as tar:
            for place, content in sorted(files.items()):
                _add(tar, place.lstrip("/"), content, mode=0o755)
        digest = _sha256(layer)
        config = json.dumps(
            {
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/"]},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        ).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
        made = path.with_suffix(".new")
        with tarfile.open(made, "w") as tar:
            _add(tar, config_name, config)
            _add(tar, f"{digest}/layer.tar", layer)
            _add(tar, "manifest.json", json.dumps(manifest).encode())
        made.replace(path)
    finally:
        layer.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if isinstance(content, bytes):
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    else:
        entry.size = content.stat().st_size
        with content.open("rb") as source:
            tar.addfile(entry, source)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

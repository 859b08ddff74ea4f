"""The one setting of the host that a lab changes: how many inotify instances root may have.

Distributions allow 128 for all of root's processes together; a node takes about 15. The original value is
kept beside the labs' states while there are labs, and restored with the last one.
"""

from pathlib import Path

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 2048
_KEPT = ".inotify-instances"


def raise_inotify(root: Path, limit: Path = LIMIT) -> bool:
    """Raises the limit to `ENOUGH` if it is lower; True if it was. `root` is the directory of all labs."""
    current = int(limit.read_text())
    if current >= ENOUGH:
        return False
    kept = root / _KEPT
    # Written first: after a kill in between, the original is known and still in force.
    if not kept.exists():
        kept.write_text(f"{current}\n")
    limit.write_text(f"{ENOUGH}\n")
    return True


def restore_inotify(root: Path, limit: Path = LIMIT) -> None:
    """Gives the original value back, unless somebody else has set another one meanwhile."""
    kept = root / _KEPT
    if not kept.exists():
        return
    if int(limit.read_text()) == ENOUGH:
        limit.write_text(kept.read_text())
    kept.unlink()

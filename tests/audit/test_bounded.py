"""An audit's memory does not grow with the log: of the tree it holds at most one tile of each level."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.audited import entries_of, write_files, write_rows
from tests.running import script

# The most that was resident, in KiB, from the kernel: `ru_maxrss` begins at what the parent of a process has.
_CHILD = """
import re
import sys
from pathlib import Path
from dataspace.audit.audit import Means, audit
from tests.bench import audited

source = getattr(audited, sys.argv[1])(Path(sys.argv[2]))
report = audit(source, str(audited.VERIFIER), means=Means(jobs=1))
assert report.exit_code == 0, report
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
_SMALL, _LARGE = 80_000, 320_000  # entries: what one log has more of is 7.5 MiB, and 7.3 MiB of leaf hashes
_GROWTH = 2048  # KiB


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc: the memory of a process is read there")
@pytest.mark.parametrize(("kind", "write"), [("Tiles", write_files), ("Rows", write_rows)])
def test_an_audit_of_four_times_the_entries_takes_no_more_memory(
    kind: str, write: Callable[[Path, list[bytes]], None], tmp_path: Path
) -> None:
    small, large = (_peak(kind, write, tmp_path / str(count), count) for count in (_SMALL, _LARGE))
    assert large - small <= _GROWTH


def _peak(kind: str, write: Callable[[Path, list[bytes]], None], folder: Path, count: int) -> int:
    """Return the most memory, in KiB, of a process that audits the tree of a log of so many entries."""
    folder.mkdir()
    write(folder, entries_of(count))
    run = script(_CHILD, [kind, str(folder)], {})
    assert run.returncode == 0, run.stderr
    return int(run.stdout)

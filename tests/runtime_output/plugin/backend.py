"""Builds the wheel of ebpfrun-tally: as much of a build backend as one module needs, so that nothing has to be downloaded."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

_INFO = "ebpfrun_tally-1.0.dist-info"
_FILES = {
    "METADATA": "Metadata-Version: 2.1\nName: ebpfrun-tally\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[ebpfrun.sinks]\ntally = ebpfrun_tally:Tally\nbroken = ebpfrun_tally:Missing\n"
    "exits = ebpfrun_tally:exits\nnothing = ebpfrun_tally:nothing\n",
}


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    name = "ebpfrun_tally-1.0-py3-none-any.whl"
    files = {"ebpfrun_tally.py": Path("ebpfrun_tally.py").read_text()}
    files |= {f"{_INFO}/{file}": text for file, text in _FILES.items()}
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
        wheel.writestr(f"{_INFO}/RECORD", "".join(f"{file},,\n" for file in (*files, f"{_INFO}/RECORD")))
    return name

from __future__ import annotations

from codegen.conftest import lab, setting

__all__ = ["lab", "setting"]

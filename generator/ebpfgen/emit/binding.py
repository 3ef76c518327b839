"""The cffi binding of an artefact: out of line, ABI mode.

Receives the driver's declarations (``templates/driver.h``) and the records' C declarations, returns the text of a Python module
that imports ``_cffi_backend`` only. Never compiles, never writes into the artefact; the same input gives the same text.
"""

from __future__ import annotations

import io


def version() -> str:
    """Of what makes bindings."""
    import _cffi_backend

    return str(_cffi_backend.__version__)


def binding(driver_header: str, records_cdef: str, module_name: str) -> str:
    """The module's text; it holds ``ffi``, with the driver's functions and the structs of ``records_cdef`` declared."""
    import cffi
    from cffi.recompiler import make_py_source

    ffi = cffi.FFI()
    ffi.cdef(driver_header)
    if records_cdef.strip():
        ffi.cdef(records_cdef)
    text = io.StringIO()
    make_py_source(ffi, module_name, text)
    return text.getvalue()

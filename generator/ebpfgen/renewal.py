"""Artefacts whose spec was edited where nothing reads it: in comments, or in spaces behind the last word of a line.

Receives a spec and the artefact of what it was before. Where every node of it stands at the same place and says the same, that
artefact is what a build would make but for what names the spec's bytes, and only those are written anew. Decides nothing about
specs that changed otherwise, and says nothing about wrong ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import freshness, identity
from .atomic import folder_beside, put_in_place
from .problems import EbpfgenError
from .source import digest, parse, read


def renew(spec: Path, out: Path, kernel_fingerprint: str, tools_fingerprint: str) -> bool:
    """Whether ``out/<name>`` is what a build would make, now."""
    target = out / spec.stem
    try:
        source = read(spec)
        old = freshness.manifest_of(target)
        if old is None or old["nodes"] != digest(parse(source, str(spec))) or old["spec"]["file"] != spec.name:
            return False
        if target.is_symlink() or freshness.built_inputs(target) is None:
            return False
        if old["setting"] != freshness.setting_digest(kernel_fingerprint, tools_fingerprint):
            return False
        old["spec"]["sha256"] = hashlib.sha256(source).hexdigest()
        old["inputs"] = freshness.inputs_digest(source, kernel_fingerprint, tools_fingerprint)
        del old["digest"]
        with folder_beside(target) as folder:
            files = freshness.artefact_files(spec.stem)
            for file in files:
                (folder / file).write_bytes((target / file).read_bytes())
            (folder / freshness.MANIFEST).write_bytes(freshness.sealed(freshness.manifest_text(old).encode()))
            put_in_place(folder, target, (*files, freshness.MANIFEST))
        return True
    except (EbpfgenError, OSError, KeyError, TypeError):
        return False  # a build says what is wrong


def renew_here(spec: Path, out: Path) -> bool:
    """The same for the running kernel and this machine's tools. False when that can't be told."""
    try:
        return renew(spec, out, identity.kernel_fingerprint(), identity.tools_fingerprint())
    except OSError:
        return False

"""What lockdown forbids, in words, by the verifier's log. That the logs are so is what the guests show (tests/kernels)."""

from __future__ import annotations

import errno

import pytest

from ebpfrun import policy
from ebpfrun.errors import DriverError

NO_READS = "the kernel's lockdown (confidentiality) lets no program read the kernel's memory"


@pytest.mark.parametrize(
    ("source", "helper", "why"),
    [
        ("BPF_CORE_READ(task, tgid)", "bpf_probe_read#4", NO_READS),
        ("bpf_probe_read_kernel_str(to, size, from)", "bpf_probe_read_str#45", NO_READS),
        (
            "bpf_probe_read_user_str(to, size, from)",
            "bpf_probe_read_str#45",
            f"{NO_READS}, and libbpf then has no helper left for a process's",
        ),
    ],
)
@pytest.mark.parametrize("words", ["program of this type cannot use helper", "unknown func"])
def test_reads(monkeypatch: pytest.MonkeyPatch, source: str, helper: str, why: str, words: str) -> None:
    log = f"; other = bpf_probe_read_user(x);\n3: (b7) r1 = 0\n; long n = {source};\n4: (85) call {helper}\n{words} {helper}\n; after\n"
    monkeypatch.setattr(policy, "lockdown", lambda: "confidentiality")
    assert policy.locked_down(DriverError("loading", errno.EINVAL, log)) == why
    monkeypatch.setattr(policy, "lockdown", lambda: "integrity")
    assert policy.locked_down(DriverError("loading", errno.EINVAL, log)) is None

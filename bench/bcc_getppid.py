"""The getppid tracer as one writes it with BCC in Python: a callback for each event prints its fields. For Debian's python3.

Usage: bcc_getppid.py PID. Ends with SIGINT. A part of the benchmark, which starts it.
"""

from __future__ import annotations

import signal
import sys

from bcc import BPF  # type: ignore[import-not-found]  # Debian's python3-bpfcc, for Debian's own Python

TEXT = r"""
#include <linux/sched.h>
struct call { u64 time; u32 pid, tid, uid; s32 number; char comm[16]; u64 group, task; };
BPF_PERF_OUTPUT(calls);
TRACEPOINT_PROBE(syscalls, sys_enter_getppid)
{
    u64 id = bpf_get_current_pid_tgid();
    struct call c = {};

    if (id >> 32 != ONLY)
        return 0;
    c.time = bpf_ktime_get_ns();
    c.pid = id >> 32;
    c.tid = id;
    c.uid = bpf_get_current_uid_gid();
    c.number = args->__syscall_nr;
    bpf_get_current_comm(c.comm, sizeof(c.comm));
    c.group = bpf_get_current_cgroup_id();
    c.task = bpf_get_current_task();
    calls.perf_submit(args, &c, sizeof(c));
    return 0;
}
"""


def main(pid: str) -> None:
    bpf = BPF(text=TEXT.replace("ONLY", pid))
    ended: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: ended.append(number))

    def show(_cpu: int, data: object, _size: int) -> None:
        c = bpf["calls"].event(data)
        print(f"{c.time} {c.pid} {c.tid} {c.uid} {c.number} {c.comm.decode('utf-8', 'replace')} {c.group} {c.task}")

    bpf["calls"].open_perf_buffer(show, page_cnt=4096)  # 16 MB for each CPU
    print("attached", file=sys.stderr, flush=True)
    while not ended:
        bpf.perf_buffer_poll(timeout=100)


if __name__ == "__main__":
    main(sys.argv[1])

// SPDX-License-Identifier: GPL-2.0
/* Every getppid call of one process as a record of 64 bytes, as one writes it by hand for libbpf; with PACE_MS no record wakes
 * the user half, which looks every so many milliseconds. */
#include <asm/unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "getppid.h"

#ifdef PACE_MS
enum { WAKE_UP = BPF_RB_NO_WAKEUP };
#else
enum { WAKE_UP = 0 };
#endif

const volatile __u32 only_pid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} events SEC(".maps");

__u64 produced, lost;

char LICENSE[] SEC("license") = "GPL";

SEC("tracepoint/syscalls/sys_enter_getppid")
int hand_getppid(void *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call *e;

	if (only_pid && id >> 32 != only_pid)
		return 0;
	__sync_fetch_and_add(&produced, 1);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	e->time = bpf_ktime_get_ns();
	e->pid = id >> 32;
	e->tid = id;
	e->uid = bpf_get_current_uid_gid();
	e->number = __NR_getppid;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->group = bpf_get_current_cgroup_id();
	e->task = bpf_get_current_task();
	e->kind = 0;
	bpf_ringbuf_submit(e, WAKE_UP);
	return 0;
}

/* One program of each kind that the tests attach; each counts, the tracepoint also sends a record. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "getppid.h"

enum { PRODUCED, RING_FULL, COUNTERS };

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, COUNTERS); __type(key, __u32); __type(value, __u64); } counters SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 64); __type(key, __u32); __type(value, __u64); } calls SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } hits SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4096); __type(key, __u64); __type(value, __u32); } seen SEC(".maps");

const volatile struct getppid_config config = {};

static void bump(void *map, __u32 slot)
{
	__u64 *value = bpf_map_lookup_elem(map, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static int wanted(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	if ((config.filter_on & 1) && id >> 32 != config.filter_pid)
		return 0;
	if ((config.filter_on & 2) && (__u32)id != config.filter_tid)
		return 0;
	if ((config.filter_on & 4) && (__u32)bpf_get_current_uid_gid() != config.filter_uid)
		return 0;
	if ((config.filter_on & 16) && bpf_get_current_ancestor_cgroup_id(config.filter_cgroup_level) != config.filter_cgroup)
		return 0;
	return 1;
}

SEC("?tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct getppid_event *e;
	__u64 *calls_of, one = 1;

	if (!wanted())
		return 0;
	calls_of = bpf_map_lookup_elem(&calls, &pid);
	if (calls_of)
		*calls_of += 1;
	else
		bpf_map_update_elem(&calls, &pid, &one, BPF_NOEXIST);
	if (config.param_silent)
		return 0;
	bump(&counters, PRODUCED);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		bump(&counters, RING_FULL);
		return 0;
	}
	e->id = 0;
	e->marks = 0;
	e->time = bpf_ktime_get_boot_ns();
	e->pid = pid;
	e->number = config.param_first + (calls_of ? *calls_of - 1 : 0);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("?raw_tracepoint/sys_enter")
int on_sys_enter(void *ctx)
{
	if (wanted())
		bump(&hits, 0);
	return 0;
}

SEC("?tp_btf/task_newtask")
int on_fork(void *ctx)
{
	if (wanted())
		bump(&hits, 1);
	return 0;
}

SEC("?tp_btf/no_such_tracepoint")
int on_nothing(void *ctx)
{
	return 0;
}

SEC("?kprobe/__x64_sys_getppid")
int on_kprobe(void *ctx)
{
	if (wanted())
		bump(&hits, 2);
	return 0;
}

SEC("?fentry/vfs_read")
int on_fentry(void *ctx)
{
	if (wanted())
		bump(&hits, 2);
	return 0;
}

SEC("?uprobe")
int on_uprobe(void *ctx)
{
	if (wanted())
		bump(&hits, 2);
	return 0;
}

SEC("?perf_event")
int on_tick(void *ctx)
{
	bump(&hits, 3);
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_getpgid")
int on_refused(void *ctx)
{
	return *(volatile int *)(long)config.param_first; /* the verifier refuses this */
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
/* opensnoop as one writes it by hand for libbpf: the yardstick for the generated one. The same fields, the same system calls. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "opensnoop.h"

#ifndef WAKE_UP
#define WAKE_UP 0 /* libbpf's default: wake the reader when it has caught up */
#endif
#ifndef RING
#define RING (1 << 20)
#endif

struct trace_event_raw_sys_enter {
	unsigned long args[6];
} __attribute__((preserve_access_index));

struct trace_event_raw_sys_exit {
	long ret;
} __attribute__((preserve_access_index));

struct start {
	__u64 time;
	const char *path;
	__u64 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct start);
} starts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING);
} events SEC(".maps");

char LICENSE[] SEC("license") = "GPL";

static __always_inline int enter(const char *path, __u64 flags)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct start start = { .time = bpf_ktime_get_ns(), .path = path, .flags = flags };

	bpf_map_update_elem(&starts, &tid, &start, BPF_ANY);
	return 0;
}

static __always_inline int leave(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	struct start *start = bpf_map_lookup_elem(&starts, &tid);
	struct open_event *e;

	if (!start)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (e) {
		e->time = bpf_ktime_get_ns();
		e->pid = id >> 32;
		e->tid = tid;
		bpf_get_current_comm(e->comm, sizeof(e->comm));
		bpf_probe_read_user_str(e->path, sizeof(e->path), start->path);
		e->flags = start->flags;
		e->result = ctx->ret;
		e->latency = e->time - start->time;
		bpf_ringbuf_submit(e, WAKE_UP);
	}
	bpf_map_delete_elem(&starts, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_open")
int hand_enter_open(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[0], (int)ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_exit_open")
int hand_exit_open(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int hand_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[1], (int)ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int hand_exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx);
}

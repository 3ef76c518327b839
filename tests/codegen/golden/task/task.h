/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that task shares between kernel and user space. Made by ebpfgen from task.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct task_config {
	__u32 filter_on;
	__u32 filter_pid;
	__u32 filter_tid;
	__u32 filter_uid;
	__u32 filter_cgroup_level;
	__u8 __pad0[4];
	__u64 filter_cgroup;
	char filter_comm[16]; /* comm */
	__u32 sampling;
	__u8 __pad1[4];
	__u64 ring_mark;
};
_Static_assert(sizeof(struct task_config) == 64, "size of task_config");
_Static_assert(offsetof(struct task_config, filter_on) == 0, "offset of task_config.filter_on");
_Static_assert(offsetof(struct task_config, filter_pid) == 4, "offset of task_config.filter_pid");
_Static_assert(offsetof(struct task_config, filter_tid) == 8, "offset of task_config.filter_tid");
_Static_assert(offsetof(struct task_config, filter_uid) == 12, "offset of task_config.filter_uid");
_Static_assert(offsetof(struct task_config, filter_cgroup_level) == 16, "offset of task_config.filter_cgroup_level");
_Static_assert(offsetof(struct task_config, __pad0) == 20, "offset of task_config.__pad0");
_Static_assert(offsetof(struct task_config, filter_cgroup) == 24, "offset of task_config.filter_cgroup");
_Static_assert(offsetof(struct task_config, filter_comm) == 32, "offset of task_config.filter_comm");
_Static_assert(offsetof(struct task_config, sampling) == 48, "offset of task_config.sampling");
_Static_assert(offsetof(struct task_config, __pad1) == 52, "offset of task_config.__pad1");
_Static_assert(offsetof(struct task_config, ring_mark) == 56, "offset of task_config.ring_mark");

/* Event woken */
struct woken_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	char comm[16];
	__u64 cgroup;
	__u32 ppid; /* pid */
	__u32 by; /* pid */
};
_Static_assert(sizeof(struct woken_event) == 64, "size of woken_event");
_Static_assert(offsetof(struct woken_event, __id) == 0, "offset of woken_event.__id");
_Static_assert(offsetof(struct woken_event, __weight) == 2, "offset of woken_event.__weight");
_Static_assert(offsetof(struct woken_event, __marks) == 4, "offset of woken_event.__marks");
_Static_assert(offsetof(struct woken_event, time) == 8, "offset of woken_event.time");
_Static_assert(offsetof(struct woken_event, pid) == 16, "offset of woken_event.pid");
_Static_assert(offsetof(struct woken_event, tid) == 20, "offset of woken_event.tid");
_Static_assert(offsetof(struct woken_event, uid) == 24, "offset of woken_event.uid");
_Static_assert(offsetof(struct woken_event, gid) == 28, "offset of woken_event.gid");
_Static_assert(offsetof(struct woken_event, comm) == 32, "offset of woken_event.comm");
_Static_assert(offsetof(struct woken_event, cgroup) == 48, "offset of woken_event.cgroup");
_Static_assert(offsetof(struct woken_event, ppid) == 56, "offset of woken_event.ppid");
_Static_assert(offsetof(struct woken_event, by) == 60, "offset of woken_event.by");

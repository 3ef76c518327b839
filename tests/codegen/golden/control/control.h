/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that control shares between kernel and user space. Made by ebpfgen from control.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct control_config {
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
_Static_assert(sizeof(struct control_config) == 64, "size of control_config");
_Static_assert(offsetof(struct control_config, filter_on) == 0, "offset of control_config.filter_on");
_Static_assert(offsetof(struct control_config, filter_pid) == 4, "offset of control_config.filter_pid");
_Static_assert(offsetof(struct control_config, filter_tid) == 8, "offset of control_config.filter_tid");
_Static_assert(offsetof(struct control_config, filter_uid) == 12, "offset of control_config.filter_uid");
_Static_assert(offsetof(struct control_config, filter_cgroup_level) == 16, "offset of control_config.filter_cgroup_level");
_Static_assert(offsetof(struct control_config, __pad0) == 20, "offset of control_config.__pad0");
_Static_assert(offsetof(struct control_config, filter_cgroup) == 24, "offset of control_config.filter_cgroup");
_Static_assert(offsetof(struct control_config, filter_comm) == 32, "offset of control_config.filter_comm");
_Static_assert(offsetof(struct control_config, sampling) == 48, "offset of control_config.sampling");
_Static_assert(offsetof(struct control_config, __pad1) == 52, "offset of control_config.__pad1");
_Static_assert(offsetof(struct control_config, ring_mark) == 56, "offset of control_config.ring_mark");

/* Event seen */
struct seen_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 n;
	__u64 m;
	__s64 o;
	__u8 where;
	__u8 __pad0[7];
};
_Static_assert(sizeof(struct seen_event) == 40, "size of seen_event");
_Static_assert(offsetof(struct seen_event, __id) == 0, "offset of seen_event.__id");
_Static_assert(offsetof(struct seen_event, __weight) == 2, "offset of seen_event.__weight");
_Static_assert(offsetof(struct seen_event, __marks) == 4, "offset of seen_event.__marks");
_Static_assert(offsetof(struct seen_event, n) == 8, "offset of seen_event.n");
_Static_assert(offsetof(struct seen_event, m) == 16, "offset of seen_event.m");
_Static_assert(offsetof(struct seen_event, o) == 24, "offset of seen_event.o");
_Static_assert(offsetof(struct seen_event, where) == 32, "offset of seen_event.where");
_Static_assert(offsetof(struct seen_event, __pad0) == 33, "offset of seen_event.__pad0");

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that rings shares between kernel and user space. Made by ebpfgen from rings.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct rings_config {
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
_Static_assert(sizeof(struct rings_config) == 64, "size of rings_config");
_Static_assert(offsetof(struct rings_config, filter_on) == 0, "offset of rings_config.filter_on");
_Static_assert(offsetof(struct rings_config, filter_pid) == 4, "offset of rings_config.filter_pid");
_Static_assert(offsetof(struct rings_config, filter_tid) == 8, "offset of rings_config.filter_tid");
_Static_assert(offsetof(struct rings_config, filter_uid) == 12, "offset of rings_config.filter_uid");
_Static_assert(offsetof(struct rings_config, filter_cgroup_level) == 16, "offset of rings_config.filter_cgroup_level");
_Static_assert(offsetof(struct rings_config, __pad0) == 20, "offset of rings_config.__pad0");
_Static_assert(offsetof(struct rings_config, filter_cgroup) == 24, "offset of rings_config.filter_cgroup");
_Static_assert(offsetof(struct rings_config, filter_comm) == 32, "offset of rings_config.filter_comm");
_Static_assert(offsetof(struct rings_config, sampling) == 48, "offset of rings_config.sampling");
_Static_assert(offsetof(struct rings_config, __pad1) == 52, "offset of rings_config.__pad1");
_Static_assert(offsetof(struct rings_config, ring_mark) == 56, "offset of rings_config.ring_mark");

/* Event enter */
struct enter_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
};
_Static_assert(sizeof(struct enter_event) == 16, "size of enter_event");
_Static_assert(offsetof(struct enter_event, __id) == 0, "offset of enter_event.__id");
_Static_assert(offsetof(struct enter_event, __weight) == 2, "offset of enter_event.__weight");
_Static_assert(offsetof(struct enter_event, __marks) == 4, "offset of enter_event.__marks");
_Static_assert(offsetof(struct enter_event, time) == 8, "offset of enter_event.time");

/* Event leave */
struct leave_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
};
_Static_assert(sizeof(struct leave_event) == 16, "size of leave_event");
_Static_assert(offsetof(struct leave_event, __id) == 0, "offset of leave_event.__id");
_Static_assert(offsetof(struct leave_event, __weight) == 2, "offset of leave_event.__weight");
_Static_assert(offsetof(struct leave_event, __marks) == 4, "offset of leave_event.__marks");
_Static_assert(offsetof(struct leave_event, time) == 8, "offset of leave_event.time");

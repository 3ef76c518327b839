/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that timers shares between kernel and user space. Made by ebpfgen from timers.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct timers_config {
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
	__u32 rate;
	__u8 __pad2[4];
};
_Static_assert(sizeof(struct timers_config) == 72, "size of timers_config");
_Static_assert(offsetof(struct timers_config, filter_on) == 0, "offset of timers_config.filter_on");
_Static_assert(offsetof(struct timers_config, filter_pid) == 4, "offset of timers_config.filter_pid");
_Static_assert(offsetof(struct timers_config, filter_tid) == 8, "offset of timers_config.filter_tid");
_Static_assert(offsetof(struct timers_config, filter_uid) == 12, "offset of timers_config.filter_uid");
_Static_assert(offsetof(struct timers_config, filter_cgroup_level) == 16, "offset of timers_config.filter_cgroup_level");
_Static_assert(offsetof(struct timers_config, __pad0) == 20, "offset of timers_config.__pad0");
_Static_assert(offsetof(struct timers_config, filter_cgroup) == 24, "offset of timers_config.filter_cgroup");
_Static_assert(offsetof(struct timers_config, filter_comm) == 32, "offset of timers_config.filter_comm");
_Static_assert(offsetof(struct timers_config, sampling) == 48, "offset of timers_config.sampling");
_Static_assert(offsetof(struct timers_config, __pad1) == 52, "offset of timers_config.__pad1");
_Static_assert(offsetof(struct timers_config, ring_mark) == 56, "offset of timers_config.ring_mark");
_Static_assert(offsetof(struct timers_config, rate) == 64, "offset of timers_config.rate");
_Static_assert(offsetof(struct timers_config, __pad2) == 68, "offset of timers_config.__pad2");

/* Event line */
struct line_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char text[80]; /* string(80) */
	__u32 pid;
};
_Static_assert(sizeof(struct line_event) == 92, "size of line_event");
_Static_assert(offsetof(struct line_event, __id) == 0, "offset of line_event.__id");
_Static_assert(offsetof(struct line_event, __weight) == 2, "offset of line_event.__weight");
_Static_assert(offsetof(struct line_event, __marks) == 4, "offset of line_event.__marks");
_Static_assert(offsetof(struct line_event, text) == 8, "offset of line_event.text");
_Static_assert(offsetof(struct line_event, pid) == 88, "offset of line_event.pid");

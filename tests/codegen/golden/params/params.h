/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that params shares between kernel and user space. Made by ebpfgen from params.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct params_config {
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
	__u8 failed; /* bool */
	__u8 __pad2[3];
	__u32 least;
	char program[16]; /* string(16) */
	__s32 filter_pid_;
	__u8 __pad3[4];
};
_Static_assert(sizeof(struct params_config) == 96, "size of params_config");
_Static_assert(offsetof(struct params_config, filter_on) == 0, "offset of params_config.filter_on");
_Static_assert(offsetof(struct params_config, filter_pid) == 4, "offset of params_config.filter_pid");
_Static_assert(offsetof(struct params_config, filter_tid) == 8, "offset of params_config.filter_tid");
_Static_assert(offsetof(struct params_config, filter_uid) == 12, "offset of params_config.filter_uid");
_Static_assert(offsetof(struct params_config, filter_cgroup_level) == 16, "offset of params_config.filter_cgroup_level");
_Static_assert(offsetof(struct params_config, __pad0) == 20, "offset of params_config.__pad0");
_Static_assert(offsetof(struct params_config, filter_cgroup) == 24, "offset of params_config.filter_cgroup");
_Static_assert(offsetof(struct params_config, filter_comm) == 32, "offset of params_config.filter_comm");
_Static_assert(offsetof(struct params_config, sampling) == 48, "offset of params_config.sampling");
_Static_assert(offsetof(struct params_config, __pad1) == 52, "offset of params_config.__pad1");
_Static_assert(offsetof(struct params_config, ring_mark) == 56, "offset of params_config.ring_mark");
_Static_assert(offsetof(struct params_config, failed) == 64, "offset of params_config.failed");
_Static_assert(offsetof(struct params_config, __pad2) == 65, "offset of params_config.__pad2");
_Static_assert(offsetof(struct params_config, least) == 68, "offset of params_config.least");
_Static_assert(offsetof(struct params_config, program) == 72, "offset of params_config.program");
_Static_assert(offsetof(struct params_config, filter_pid_) == 88, "offset of params_config.filter_pid_");
_Static_assert(offsetof(struct params_config, __pad3) == 92, "offset of params_config.__pad3");

/* Event result */
struct result_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__s64 value; /* result */
};
_Static_assert(sizeof(struct result_event) == 16, "size of result_event");
_Static_assert(offsetof(struct result_event, __id) == 0, "offset of result_event.__id");
_Static_assert(offsetof(struct result_event, __weight) == 2, "offset of result_event.__weight");
_Static_assert(offsetof(struct result_event, __marks) == 4, "offset of result_event.__marks");
_Static_assert(offsetof(struct result_event, value) == 8, "offset of result_event.value");

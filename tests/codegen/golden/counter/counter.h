/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that counter shares between kernel and user space. Made by ebpfgen from counter.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct counter_config {
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
};
_Static_assert(sizeof(struct counter_config) == 56, "size of counter_config");
_Static_assert(offsetof(struct counter_config, filter_on) == 0, "offset of counter_config.filter_on");
_Static_assert(offsetof(struct counter_config, filter_pid) == 4, "offset of counter_config.filter_pid");
_Static_assert(offsetof(struct counter_config, filter_tid) == 8, "offset of counter_config.filter_tid");
_Static_assert(offsetof(struct counter_config, filter_uid) == 12, "offset of counter_config.filter_uid");
_Static_assert(offsetof(struct counter_config, filter_cgroup_level) == 16, "offset of counter_config.filter_cgroup_level");
_Static_assert(offsetof(struct counter_config, __pad0) == 20, "offset of counter_config.__pad0");
_Static_assert(offsetof(struct counter_config, filter_cgroup) == 24, "offset of counter_config.filter_cgroup");
_Static_assert(offsetof(struct counter_config, filter_comm) == 32, "offset of counter_config.filter_comm");
_Static_assert(offsetof(struct counter_config, sampling) == 48, "offset of counter_config.sampling");
_Static_assert(offsetof(struct counter_config, __pad1) == 52, "offset of counter_config.__pad1");

/* Labels of metric started. */
struct started_key {
	__u32 uid;
	char comm[16];
};
_Static_assert(sizeof(struct started_key) == 20, "size of started_key");
_Static_assert(offsetof(struct started_key, uid) == 0, "offset of started_key.uid");
_Static_assert(offsetof(struct started_key, comm) == 4, "offset of started_key.comm");

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that alternatives shares between kernel and user space. Made by ebpfgen from alternatives.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct alternatives_config {
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
_Static_assert(sizeof(struct alternatives_config) == 56, "size of alternatives_config");
_Static_assert(offsetof(struct alternatives_config, filter_on) == 0, "offset of alternatives_config.filter_on");
_Static_assert(offsetof(struct alternatives_config, filter_pid) == 4, "offset of alternatives_config.filter_pid");
_Static_assert(offsetof(struct alternatives_config, filter_tid) == 8, "offset of alternatives_config.filter_tid");
_Static_assert(offsetof(struct alternatives_config, filter_uid) == 12, "offset of alternatives_config.filter_uid");
_Static_assert(offsetof(struct alternatives_config, filter_cgroup_level) == 16, "offset of alternatives_config.filter_cgroup_level");
_Static_assert(offsetof(struct alternatives_config, __pad0) == 20, "offset of alternatives_config.__pad0");
_Static_assert(offsetof(struct alternatives_config, filter_cgroup) == 24, "offset of alternatives_config.filter_cgroup");
_Static_assert(offsetof(struct alternatives_config, filter_comm) == 32, "offset of alternatives_config.filter_comm");
_Static_assert(offsetof(struct alternatives_config, sampling) == 48, "offset of alternatives_config.sampling");
_Static_assert(offsetof(struct alternatives_config, __pad1) == 52, "offset of alternatives_config.__pad1");

/* Labels of metric requests. */
struct requests_key {
	__u32 disk;
	char name[32]; /* string(32) */
	__u8 old; /* bool */
	__u8 __pad0[3];
};
_Static_assert(sizeof(struct requests_key) == 40, "size of requests_key");
_Static_assert(offsetof(struct requests_key, disk) == 0, "offset of requests_key.disk");
_Static_assert(offsetof(struct requests_key, name) == 4, "offset of requests_key.name");
_Static_assert(offsetof(struct requests_key, old) == 36, "offset of requests_key.old");
_Static_assert(offsetof(struct requests_key, __pad0) == 37, "offset of requests_key.__pad0");

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that wildcards shares between kernel and user space. Made by ebpfgen from wildcards.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct wildcards_config {
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
_Static_assert(sizeof(struct wildcards_config) == 56, "size of wildcards_config");
_Static_assert(offsetof(struct wildcards_config, filter_on) == 0, "offset of wildcards_config.filter_on");
_Static_assert(offsetof(struct wildcards_config, filter_pid) == 4, "offset of wildcards_config.filter_pid");
_Static_assert(offsetof(struct wildcards_config, filter_tid) == 8, "offset of wildcards_config.filter_tid");
_Static_assert(offsetof(struct wildcards_config, filter_uid) == 12, "offset of wildcards_config.filter_uid");
_Static_assert(offsetof(struct wildcards_config, filter_cgroup_level) == 16, "offset of wildcards_config.filter_cgroup_level");
_Static_assert(offsetof(struct wildcards_config, __pad0) == 20, "offset of wildcards_config.__pad0");
_Static_assert(offsetof(struct wildcards_config, filter_cgroup) == 24, "offset of wildcards_config.filter_cgroup");
_Static_assert(offsetof(struct wildcards_config, filter_comm) == 32, "offset of wildcards_config.filter_comm");
_Static_assert(offsetof(struct wildcards_config, sampling) == 48, "offset of wildcards_config.sampling");
_Static_assert(offsetof(struct wildcards_config, __pad1) == 52, "offset of wildcards_config.__pad1");

/* Labels of metric calls. */
struct calls_key {
	char func[32]; /* string(32) */
};
_Static_assert(sizeof(struct calls_key) == 32, "size of calls_key");
_Static_assert(offsetof(struct calls_key, func) == 0, "offset of calls_key.func");

/* Labels of metric failed. */
struct failed_key {
	char func[32]; /* string(32) */
	__s32 error; /* errno */
};
_Static_assert(sizeof(struct failed_key) == 36, "size of failed_key");
_Static_assert(offsetof(struct failed_key, func) == 0, "offset of failed_key.func");
_Static_assert(offsetof(struct failed_key, error) == 32, "offset of failed_key.error");

/* Labels of metric system_calls. */
struct system_calls_key {
	char probe[32]; /* string(32) */
	__u32 pid;
};
_Static_assert(sizeof(struct system_calls_key) == 36, "size of system_calls_key");
_Static_assert(offsetof(struct system_calls_key, probe) == 0, "offset of system_calls_key.probe");
_Static_assert(offsetof(struct system_calls_key, pid) == 32, "offset of system_calls_key.pid");

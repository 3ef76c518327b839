/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that histogram shares between kernel and user space. Made by ebpfgen from histogram.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct histogram_config {
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
_Static_assert(sizeof(struct histogram_config) == 56, "size of histogram_config");
_Static_assert(offsetof(struct histogram_config, filter_on) == 0, "offset of histogram_config.filter_on");
_Static_assert(offsetof(struct histogram_config, filter_pid) == 4, "offset of histogram_config.filter_pid");
_Static_assert(offsetof(struct histogram_config, filter_tid) == 8, "offset of histogram_config.filter_tid");
_Static_assert(offsetof(struct histogram_config, filter_uid) == 12, "offset of histogram_config.filter_uid");
_Static_assert(offsetof(struct histogram_config, filter_cgroup_level) == 16, "offset of histogram_config.filter_cgroup_level");
_Static_assert(offsetof(struct histogram_config, __pad0) == 20, "offset of histogram_config.__pad0");
_Static_assert(offsetof(struct histogram_config, filter_cgroup) == 24, "offset of histogram_config.filter_cgroup");
_Static_assert(offsetof(struct histogram_config, filter_comm) == 32, "offset of histogram_config.filter_comm");
_Static_assert(offsetof(struct histogram_config, sampling) == 48, "offset of histogram_config.sampling");
_Static_assert(offsetof(struct histogram_config, __pad1) == 52, "offset of histogram_config.__pad1");

/* Metric log: powers of two */
struct log_value {
	__u64 count;
	__u64 sum;
	__u64 slots[64];
};
_Static_assert(sizeof(struct log_value) == 528, "size of log_value");
_Static_assert(offsetof(struct log_value, count) == 0, "offset of log_value.count");
_Static_assert(offsetof(struct log_value, sum) == 8, "offset of log_value.sum");
_Static_assert(offsetof(struct log_value, slots) == 16, "offset of log_value.slots");

/* Metric even: steps */
struct even_value {
	__u64 count;
	__u64 sum;
	__u64 slots[12];
};
_Static_assert(sizeof(struct even_value) == 112, "size of even_value");
_Static_assert(offsetof(struct even_value, count) == 0, "offset of even_value.count");
_Static_assert(offsetof(struct even_value, sum) == 8, "offset of even_value.sum");
_Static_assert(offsetof(struct even_value, slots) == 16, "offset of even_value.slots");

/* Metric least: the least */
struct least_value {
	__u64 count;
	__s64 value;
};
_Static_assert(sizeof(struct least_value) == 16, "size of least_value");
_Static_assert(offsetof(struct least_value, count) == 0, "offset of least_value.count");
_Static_assert(offsetof(struct least_value, value) == 8, "offset of least_value.value");

/* Metric most: the greatest */
struct most_value {
	__u64 count;
	__s64 value;
};
_Static_assert(sizeof(struct most_value) == 16, "size of most_value");
_Static_assert(offsetof(struct most_value, count) == 0, "offset of most_value.count");
_Static_assert(offsetof(struct most_value, value) == 8, "offset of most_value.value");

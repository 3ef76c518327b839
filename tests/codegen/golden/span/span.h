/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that span shares between kernel and user space. Made by ebpfgen from span.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct span_config {
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
	__u64 least; /* duration */
};
_Static_assert(sizeof(struct span_config) == 72, "size of span_config");
_Static_assert(offsetof(struct span_config, filter_on) == 0, "offset of span_config.filter_on");
_Static_assert(offsetof(struct span_config, filter_pid) == 4, "offset of span_config.filter_pid");
_Static_assert(offsetof(struct span_config, filter_tid) == 8, "offset of span_config.filter_tid");
_Static_assert(offsetof(struct span_config, filter_uid) == 12, "offset of span_config.filter_uid");
_Static_assert(offsetof(struct span_config, filter_cgroup_level) == 16, "offset of span_config.filter_cgroup_level");
_Static_assert(offsetof(struct span_config, __pad0) == 20, "offset of span_config.__pad0");
_Static_assert(offsetof(struct span_config, filter_cgroup) == 24, "offset of span_config.filter_cgroup");
_Static_assert(offsetof(struct span_config, filter_comm) == 32, "offset of span_config.filter_comm");
_Static_assert(offsetof(struct span_config, sampling) == 48, "offset of span_config.sampling");
_Static_assert(offsetof(struct span_config, __pad1) == 52, "offset of span_config.__pad1");
_Static_assert(offsetof(struct span_config, ring_mark) == 56, "offset of span_config.ring_mark");
_Static_assert(offsetof(struct span_config, least) == 64, "offset of span_config.least");

/* Event slow */
struct slow_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
	__u32 pid;
	char path[128]; /* string(128) */
	__u16 mode;
	__u8 __pad0[2];
	__s64 result;
	__u64 latency; /* duration */
	__u64 started; /* timestamp */
};
_Static_assert(sizeof(struct slow_event) == 176, "size of slow_event");
_Static_assert(offsetof(struct slow_event, __id) == 0, "offset of slow_event.__id");
_Static_assert(offsetof(struct slow_event, __weight) == 2, "offset of slow_event.__weight");
_Static_assert(offsetof(struct slow_event, __marks) == 4, "offset of slow_event.__marks");
_Static_assert(offsetof(struct slow_event, time) == 8, "offset of slow_event.time");
_Static_assert(offsetof(struct slow_event, pid) == 16, "offset of slow_event.pid");
_Static_assert(offsetof(struct slow_event, path) == 20, "offset of slow_event.path");
_Static_assert(offsetof(struct slow_event, mode) == 148, "offset of slow_event.mode");
_Static_assert(offsetof(struct slow_event, __pad0) == 150, "offset of slow_event.__pad0");
_Static_assert(offsetof(struct slow_event, result) == 152, "offset of slow_event.result");
_Static_assert(offsetof(struct slow_event, latency) == 160, "offset of slow_event.latency");
_Static_assert(offsetof(struct slow_event, started) == 168, "offset of slow_event.started");

/* Labels of metric io. */
struct io_key {
	__s64 op; /* enum:req_op */
	__u32 dev; /* dev_t */
	__u8 __pad0[4];
};
_Static_assert(sizeof(struct io_key) == 16, "size of io_key");
_Static_assert(offsetof(struct io_key, op) == 0, "offset of io_key.op");
_Static_assert(offsetof(struct io_key, dev) == 8, "offset of io_key.dev");
_Static_assert(offsetof(struct io_key, __pad0) == 12, "offset of io_key.__pad0");

/* Metric io: time of a request */
struct io_value {
	__u64 count;
	__u64 sum;
	__u64 slots[64];
};
_Static_assert(sizeof(struct io_value) == 528, "size of io_value");
_Static_assert(offsetof(struct io_value, count) == 0, "offset of io_value.count");
_Static_assert(offsetof(struct io_value, sum) == 8, "offset of io_value.sum");
_Static_assert(offsetof(struct io_value, slots) == 16, "offset of io_value.slots");

/* What is kept from the start of span slow. */
struct slow_span {
	__u64 __started; /* timestamp */
	__u64 filename; /* hex */
	__u16 mode;
	__u8 __pad0[6];
};
_Static_assert(sizeof(struct slow_span) == 24, "size of slow_span");
_Static_assert(offsetof(struct slow_span, __started) == 0, "offset of slow_span.__started");
_Static_assert(offsetof(struct slow_span, filename) == 8, "offset of slow_span.filename");
_Static_assert(offsetof(struct slow_span, mode) == 16, "offset of slow_span.mode");
_Static_assert(offsetof(struct slow_span, __pad0) == 18, "offset of slow_span.__pad0");

/* What pairs start and end of span io. */
struct io_pair {
	__u64 key0; /* hex */
	__u64 key1;
};
_Static_assert(sizeof(struct io_pair) == 16, "size of io_pair");
_Static_assert(offsetof(struct io_pair, key0) == 0, "offset of io_pair.key0");
_Static_assert(offsetof(struct io_pair, key1) == 8, "offset of io_pair.key1");

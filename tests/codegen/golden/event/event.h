/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Records that event shares between kernel and user space. Made by ebpfgen from event.yaml. */
#pragma once
#include <linux/types.h>
#include <stddef.h>

/* Filters and parameters. */
struct event_config {
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
_Static_assert(sizeof(struct event_config) == 64, "size of event_config");
_Static_assert(offsetof(struct event_config, filter_on) == 0, "offset of event_config.filter_on");
_Static_assert(offsetof(struct event_config, filter_pid) == 4, "offset of event_config.filter_pid");
_Static_assert(offsetof(struct event_config, filter_tid) == 8, "offset of event_config.filter_tid");
_Static_assert(offsetof(struct event_config, filter_uid) == 12, "offset of event_config.filter_uid");
_Static_assert(offsetof(struct event_config, filter_cgroup_level) == 16, "offset of event_config.filter_cgroup_level");
_Static_assert(offsetof(struct event_config, __pad0) == 20, "offset of event_config.__pad0");
_Static_assert(offsetof(struct event_config, filter_cgroup) == 24, "offset of event_config.filter_cgroup");
_Static_assert(offsetof(struct event_config, filter_comm) == 32, "offset of event_config.filter_comm");
_Static_assert(offsetof(struct event_config, sampling) == 48, "offset of event_config.sampling");
_Static_assert(offsetof(struct event_config, __pad1) == 52, "offset of event_config.__pad1");
_Static_assert(offsetof(struct event_config, ring_mark) == 56, "offset of event_config.ring_mark");

/* Event state: a socket changed its state */
struct state_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	__u64 time; /* timestamp */
	__s64 old; /* enum:TCP_ESTABLISHED */
	__s64 new; /* enum:TCP_ESTABLISHED */
	__u8 source[16]; /* ip */
	__u8 target[16]; /* ip */
	__u8 v6[16]; /* ip */
	__u16 port;
	__u8 tcp; /* bool */
	__u8 __pad0[1];
	__u32 pid;
	char comm[16];
	char place[24]; /* string(24) */
	__u64 address; /* hex */
	__u8 big; /* bool */
	__u8 __pad1[7];
};
_Static_assert(sizeof(struct state_event) == 144, "size of state_event");
_Static_assert(offsetof(struct state_event, __id) == 0, "offset of state_event.__id");
_Static_assert(offsetof(struct state_event, __weight) == 2, "offset of state_event.__weight");
_Static_assert(offsetof(struct state_event, __marks) == 4, "offset of state_event.__marks");
_Static_assert(offsetof(struct state_event, time) == 8, "offset of state_event.time");
_Static_assert(offsetof(struct state_event, old) == 16, "offset of state_event.old");
_Static_assert(offsetof(struct state_event, new) == 24, "offset of state_event.new");
_Static_assert(offsetof(struct state_event, source) == 32, "offset of state_event.source");
_Static_assert(offsetof(struct state_event, target) == 48, "offset of state_event.target");
_Static_assert(offsetof(struct state_event, v6) == 64, "offset of state_event.v6");
_Static_assert(offsetof(struct state_event, port) == 80, "offset of state_event.port");
_Static_assert(offsetof(struct state_event, tcp) == 82, "offset of state_event.tcp");
_Static_assert(offsetof(struct state_event, __pad0) == 83, "offset of state_event.__pad0");
_Static_assert(offsetof(struct state_event, pid) == 84, "offset of state_event.pid");
_Static_assert(offsetof(struct state_event, comm) == 88, "offset of state_event.comm");
_Static_assert(offsetof(struct state_event, place) == 104, "offset of state_event.place");
_Static_assert(offsetof(struct state_event, address) == 128, "offset of state_event.address");
_Static_assert(offsetof(struct state_event, big) == 136, "offset of state_event.big");
_Static_assert(offsetof(struct state_event, __pad1) == 137, "offset of state_event.__pad1");

/* Event started */
struct started_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	char filename[64]; /* string(64) */
	struct { __u32 length; char data[60]; } args; /* argv(60) */
	__u32 parent; /* pid */
};
_Static_assert(sizeof(struct started_event) == 140, "size of started_event");
_Static_assert(offsetof(struct started_event, __id) == 0, "offset of started_event.__id");
_Static_assert(offsetof(struct started_event, __weight) == 2, "offset of started_event.__weight");
_Static_assert(offsetof(struct started_event, __marks) == 4, "offset of started_event.__marks");
_Static_assert(offsetof(struct started_event, filename) == 8, "offset of started_event.filename");
_Static_assert(offsetof(struct started_event, args) == 72, "offset of started_event.args");
_Static_assert(offsetof(struct started_event, parent) == 136, "offset of started_event.parent");

/* Event sent */
struct sent_event {
	__u16 __id;
	__u16 __weight;
	__u32 __marks;
	struct { __u32 length; char data[16]; } head; /* argv(16) */
	char text[16]; /* string(16) */
	char device[16]; /* string(16) */
	__u8 from[6]; /* mac */
	__u8 __pad0[2];
	__u32 length;
};
_Static_assert(sizeof(struct sent_event) == 72, "size of sent_event");
_Static_assert(offsetof(struct sent_event, __id) == 0, "offset of sent_event.__id");
_Static_assert(offsetof(struct sent_event, __weight) == 2, "offset of sent_event.__weight");
_Static_assert(offsetof(struct sent_event, __marks) == 4, "offset of sent_event.__marks");
_Static_assert(offsetof(struct sent_event, head) == 8, "offset of sent_event.head");
_Static_assert(offsetof(struct sent_event, text) == 28, "offset of sent_event.text");
_Static_assert(offsetof(struct sent_event, device) == 44, "offset of sent_event.device");
_Static_assert(offsetof(struct sent_event, from) == 60, "offset of sent_event.from");
_Static_assert(offsetof(struct sent_event, __pad0) == 66, "offset of sent_event.__pad0");
_Static_assert(offsetof(struct sent_event, length) == 68, "offset of sent_event.length");

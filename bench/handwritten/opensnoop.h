/* The record that both halves of the hand-written opensnoop share. */
#pragma once
#include <linux/types.h>

struct open_event {
	__u64 time;
	__u32 pid;
	__u32 tid;
	char comm[16];
	char path[256];
	__u64 flags;
	__s64 result;
	__u64 latency;
};

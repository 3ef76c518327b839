/* The runtime's half of every artefact: libbpf behind the interface of driver.h.
 *
 * Compiled once and linked with each spec's host.c and libbpf (1.1 or later) into <name>.so. It knows nothing of a spec but
 * what host.h gives. Ring buffers are all maps that are such.
 */
#define _GNU_SOURCE /* memrchr */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#pragma GCC visibility push(default)
#include "driver.h"
#pragma GCC visibility pop

/* A ring as the kernel maps it: a page that we write, a page that the kernel writes, then the data. The kernel would map the data
 * a second time behind itself, for records that go on at the beginning; each mapping counts as memory of this process in full,
 * so it is mapped once, and such a record copied in two parts. */
struct ring {
	uint64_t *consumer;
	uint64_t *producer;
	const char *data;
	size_t size;
};

/* An attachment: libbpf's, or the descriptor of one that libbpf 1.1 can't make. */
struct kept {
	struct bpf_link *link; /* NULL: fd it is */
	int fd;
	const struct bpf_program *program;
};
enum { IS_BELL = 1 };

struct er_object {
	void *skeleton;
	struct bpf_object *object;
	struct kept *links;
	size_t links_used, links_room;
	int stats_fd; /* -1 until er_measure */
	struct ring *rings;
	size_t ring_count, next_ring;
	int epoll; /* of the rings and the bell; -1 before load */
	int bell;  /* -1 without */
	int latency_ms;
	int full;      /* the buffer was: there is more that has been waited for */
	int begun;     /* a ring has a record, whose time runs */
	int64_t since; /* this one, in ms */
};

/* --- libbpf's words ------------------------------------------------------------------------------------------------ */

/* Of one message at most this much is kept at both of its ends: the verifier's log can have 50 MB, and ends with the reason. */
enum { LOG_MOST = 4 << 20, LOG_HEAD = 1 << 16, LOG_TAIL = 1 << 20 };

static struct {
	pthread_mutex_t lock;
	char *text;
	size_t used, room, cut;
} words = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int words_make_room(size_t more)
{
	size_t room = words.room ? words.room : 4096;
	char *text;

	while (room < words.used + more)
		room *= 2;
	if (room == words.room)
		return 0;
	text = realloc(words.text, room);
	if (!text)
		return -ENOMEM;
	words.text = text;
	words.room = room;
	return 0;
}

/* The middle of a long message makes way for a note, from the end of one line to the beginning of another. */
static size_t words_cut_middle(char *text, size_t length)
{
	char *from = text + LOG_HEAD, *to = text + length - LOG_TAIL, *line;
	char note[80];
	int size;

	line = memrchr(text, '\n', LOG_HEAD);
	from = line ? line + 1 : from;
	line = memchr(to, '\n', LOG_TAIL);
	to = line ? line + 1 : to;
	size = snprintf(note, sizeof(note), "[%zu bytes of log were cut here]\n", (size_t)(to - from));
	memcpy(from, note, size);
	memmove(from + size, to, text + length - to);
	return from + size + (text + length - to) - text;
}

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list again;
	int length;

	if (level == LIBBPF_DEBUG || strstr(format, "skipping unrecognized data section")) /* .layout is for the build only */
		return 0;
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length <= 0)
		return 0;
	pthread_mutex_lock(&words.lock);
	if (words.used >= LOG_MOST || words_make_room(length + 1)) {
		words.cut += length;
	} else {
		vsnprintf(words.text + words.used, length + 1, format, args);
		words.used += length > LOG_HEAD + LOG_TAIL ? words_cut_middle(words.text + words.used, length) : length;
	}
	pthread_mutex_unlock(&words.lock);
	return length;
}

void hear_libbpf(void)
{
	libbpf_set_print(keep_words);
}

size_t er_log(char *buf, size_t cap)
{
	char note[80] = "";
	size_t used, length;

	pthread_mutex_lock(&words.lock);
	if (words.cut)
		snprintf(note, sizeof(note), "\n[%zu more bytes of log were cut]\n", words.cut);
	used = words.used;
	length = used + strlen(note);
	if (cap) {
		size_t take = used < cap - 1 ? used : cap - 1;

		if (take)
			memcpy(buf, words.text, take);
		snprintf(buf + take, cap - take, "%s", note);
	}
	free(words.text);
	words.text = NULL;
	words.used = words.room = words.cut = 0;
	pthread_mutex_unlock(&words.lock);
	return length;
}

/* --- what does not need an object ---------------------------------------------------------------------------------- */

int er_abi(void)
{
	return 15;
}

const char *er_name(void)
{
	return host_name;
}

const char *er_code(void)
{
	return host_code;
}

const char *er_libbpf(void)
{
	return libbpf_version_string();
}

int er_cpus(void)
{
	return libbpf_num_possible_cpus();
}

int er_mount(const char *type, const char *path)
{
	return mount(type, path, type, 0, NULL) ? -errno : 0;
}

/* --- lifetime ------------------------------------------------------------------------------------------------------ */

int er_open(er_object **out, const void *program, size_t size, const char *btf)
{
	er_object *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->epoll = o->bell = o->stats_fd = -1;
	o->latency_ms = 50;
	hear_libbpf();
	o->skeleton = host_open(&o->object, program, size, btf);
	if (!o->skeleton) {
		int error = errno ? errno : EINVAL;

		free(o);
		return -error;
	}
	*out = o;
	return 0;
}

static void rings_close(er_object *o)
{
	size_t i, page = getpagesize();

	for (i = 0; i < o->ring_count; i++) {
		if (o->rings[i].consumer)
			munmap(o->rings[i].consumer, page);
		if (o->rings[i].producer)
			munmap(o->rings[i].producer, page + o->rings[i].size);
	}
	free(o->rings);
	o->rings = NULL;
	o->ring_count = 0;
	if (o->epoll >= 0)
		close(o->epoll);
	o->epoll = -1;
}

void er_close(er_object *o)
{
	er_detach(o);
	rings_close(o);
	if (o->stats_fd >= 0)
		close(o->stats_fd);
	host_destroy(o->skeleton);
	free(o);
}

void *er_config(er_object *o, size_t *size)
{
	return host_config(o->skeleton, size);
}

int er_autoload(er_object *o, const char *program, int on)
{
	struct bpf_program *p = bpf_object__find_program_by_name(o->object, program);

	return p ? bpf_program__set_autoload(p, on) : -ENOENT;
}

int er_attach_type(er_object *o, const char *program, uint32_t type)
{
	struct bpf_program *p = bpf_object__find_program_by_name(o->object, program);

	return p ? bpf_program__set_expected_attach_type(p, type) : -ENOENT;
}

int er_max_entries(er_object *o, const char *map, uint32_t n)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o->object, map);

	return m ? bpf_map__set_max_entries(m, n) : -ENOENT;
}

/* Edge-triggered: what wakes is the kernel side's own notice, not that there is something in the ring. */
static int ring_open(er_object *o, struct ring *ring, const struct bpf_map *map)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	size_t page = getpagesize();
	int fd = bpf_map__fd(map);
	void *p;

	ring->size = bpf_map__max_entries(map);
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	ring->consumer = p;
	p = mmap(NULL, page + ring->size, PROT_READ, MAP_SHARED, fd, page);
	if (p == MAP_FAILED)
		return -errno;
	ring->producer = p;
	ring->data = (const char *)p + page;
	return epoll_ctl(o->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int bell_hang(er_object *o)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = IS_BELL};

	return o->bell < 0 || o->epoll < 0 || !epoll_ctl(o->epoll, EPOLL_CTL_ADD, o->bell, &event) ? 0 : -errno;
}

static int rings_open(er_object *o)
{
	const struct bpf_map *map;
	int error = 0;

	o->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (o->epoll < 0)
		return -errno;
	bpf_object__for_each_map(map, o->object) {
		struct ring *rings;

		if (bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF)
			continue;
		rings = realloc(o->rings, (o->ring_count + 1) * sizeof(*rings));
		if (!rings)
			return -ENOMEM;
		o->rings = rings;
		memset(&rings[o->ring_count], 0, sizeof(*rings));
		error = ring_open(o, &rings[o->ring_count++], map);
		if (error)
			return error;
	}
	return bell_hang(o);
}

int er_load(er_object *o)
{
	int error;

	hear_libbpf();
	/* Without a log at first; libbpf itself asks the kernel again for its words when a program is refused. */
	error = host_load(o->skeleton);
	return error ? error : rings_open(o);
}

/* --- attaching ----------------------------------------------------------------------------------------------------- */

static struct bpf_program *program_of(er_object *o, const char *name)
{
	hear_libbpf();
	return bpf_object__find_program_by_name(o->object, name);
}

static int end_link(const struct kept *kept)
{
	return kept->link ? bpf_link__destroy(kept->link) : close(kept->fd) ? -errno : 0;
}

static int keep(er_object *o, struct kept kept)
{
	if (o->links_used == o->links_room) {
		size_t room = o->links_room ? 2 * o->links_room : 16;
		struct kept *links = realloc(o->links, room * sizeof(*links));

		if (!links) {
			end_link(&kept);
			return -ENOMEM;
		}
		o->links = links;
		o->links_room = room;
	}
	o->links[o->links_used++] = kept;
	return 0;
}

static int keep_link(er_object *o, const struct bpf_program *program, struct bpf_link *link)
{
	return link ? keep(o, (struct kept){.link = link, .program = program}) : -errno;
}

int er_attach_tracepoint(er_object *o, const char *program, const char *category, const char *name, uint64_t cookie)
{
	struct bpf_program *p = program_of(o, program);
	LIBBPF_OPTS(bpf_tracepoint_opts, opts, .bpf_cookie = cookie);

	return p ? keep_link(o, p, bpf_program__attach_tracepoint_opts(p, category, name, &opts)) : -ENOENT;
}

int er_attach_raw_tracepoint(er_object *o, const char *program, const char *name)
{
	struct bpf_program *p = program_of(o, program);

	return p ? keep_link(o, p, bpf_program__attach_raw_tracepoint(p, name)) : -ENOENT;
}

int er_attach_trace(er_object *o, const char *program)
{
	struct bpf_program *p = program_of(o, program);

	return p ? keep_link(o, p, bpf_program__attach_trace(p)) : -ENOENT;
}

int er_attach_kprobe(er_object *o, const char *program, const char *function, uint64_t offset, int ret, uint64_t cookie)
{
	struct bpf_program *p = program_of(o, program);
	LIBBPF_OPTS(bpf_kprobe_opts, opts, .offset = offset, .retprobe = ret, .bpf_cookie = cookie);

	return p ? keep_link(o, p, bpf_program__attach_kprobe_opts(p, function, &opts)) : -ENOENT;
}

int er_attach_uprobe(er_object *o, const char *program, const char *path, uint64_t file_offset, int ret, uint64_t cookie)
{
	struct bpf_program *p = program_of(o, program);
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = ret, .bpf_cookie = cookie);

	return p ? keep_link(o, p, bpf_program__attach_uprobe_opts(p, -1, path, file_offset, &opts)) : -ENOENT;
}

static uint64_t *numbered(uint64_t first, uint32_t count)
{
	uint64_t *numbers = calloc(count, sizeof(*numbers));
	uint32_t i;

	for (i = 0; numbers && i < count; i++)
		numbers[i] = first + i;
	return numbers;
}

int er_attach_kprobes(er_object *o, const char *program, const uint64_t *addresses, uint32_t count, int ret, uint64_t cookie)
{
	struct bpf_program *p = program_of(o, program);
	uint64_t *cookies = numbered(cookie, count);
	LIBBPF_OPTS(bpf_kprobe_multi_opts, opts, .addrs = (const unsigned long *)addresses, .cookies = (const __u64 *)cookies,
		    .cnt = count, .retprobe = ret);
	int error = -ENOENT;

	if (!cookies)
		return -ENOMEM;
	if (p)
		error = keep_link(o, p, bpf_program__attach_kprobe_multi_opts(p, NULL, &opts));
	free(cookies);
	return error;
}

/* libbpf has a function for it since 1.3 only. */
int er_attach_uprobes(er_object *o, const char *program, const char *path, const uint64_t *offsets, uint32_t count, int ret,
		      uint64_t cookie)
{
	struct bpf_program *p = program_of(o, program);
	uint64_t *cookies = numbered(cookie, count);
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint64_t path, offsets, ref_ctr_offsets, cookies;
		uint32_t cnt, multi_flags, pid, pad;
	} attr = {
		.prog_fd = p ? bpf_program__fd(p) : -1, .attach_type = ER_UPROBE_MULTI, .path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets, .cookies = (uintptr_t)cookies, .cnt = count, .multi_flags = ret ? 1 : 0,
	};
	int fd;

	if (!cookies)
		return -ENOMEM;
	fd = p ? (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) : (errno = ENOENT, -1);
	fd = fd < 0 ? -errno : fd;
	free(cookies);
	return fd < 0 ? fd : keep(o, (struct kept){.fd = fd, .program = p});
}

int er_attach_usdt(er_object *o, const char *program, const char *path, const char *provider, const char *name)
{
	struct bpf_program *p = program_of(o, program);

	return p ? keep_link(o, p, bpf_program__attach_usdt(p, -1, path, provider, name, NULL)) : -ENOENT;
}

int er_attach_iter(er_object *o, const char *program)
{
	struct bpf_program *p = program_of(o, program);

	return p ? keep_link(o, p, bpf_program__attach_iter(p, NULL)) : -ENOENT;
}

int er_iterate(er_object *o, const char *program)
{
	const struct bpf_program *p = program_of(o, program);
	size_t i;

	for (i = 0; i < o->links_used; i++) {
		if (o->links[i].program == p && o->links[i].link) {
			int fd = bpf_iter_create(bpf_link__fd(o->links[i].link));

			return fd < 0 ? -errno : fd;
		}
	}
	return -ENOENT;
}

int er_attach_perf(er_object *o, const char *program, uint32_t type, uint64_t config, uint64_t period, int freq, int cpu)
{
	struct bpf_program *p = program_of(o, program);
	struct perf_event_attr attr = {
		.size = sizeof(attr), .type = type, .config = config, .sample_period = period, .freq = freq,
	};
	struct bpf_link *link;
	int fd, error;

	if (!p)
		return -ENOENT;
	fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	link = bpf_program__attach_perf_event(p, fd); /* owns fd from here on */
	error = keep_link(o, p, link);
	if (!link)
		close(fd);
	return error;
}

static void *destroy_link(void *kept)
{
	return (void *)(long)end_link(kept);
}

/* Side by side: closing one perf event waits for two grace periods of RCU, and only one of them excludes the others' waits. */
int er_detach(er_object *o)
{
	enum { AT_ONCE = 64 };
	pthread_t threads[AT_ONCE];
	int error = 0;

	while (o->links_used) {
		size_t i, n = 0;

		while (o->links_used && n < AT_ONCE) {
			struct kept *kept = &o->links[--o->links_used];

			if (pthread_create(&threads[n], NULL, destroy_link, kept) == 0)
				n++;
			else
				error = end_link(kept);
		}
		for (i = 0; i < n; i++) {
			void *result;

			pthread_join(threads[i], &result);
			error = error ? error : (int)(long)result;
		}
	}
	free(o->links);
	o->links = NULL;
	o->links_room = 0;
	return error;
}

/* --- the rings ----------------------------------------------------------------------------------------------------- */

static size_t padded(size_t length)
{
	return (length + 7) & ~(size_t)7;
}

static uint64_t waiting(const struct ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - *ring->consumer;
}

/* Whether the next record is there, whole. */
static int is_ready(const struct ring *ring)
{
	const uint32_t *slot = (const uint32_t *)(ring->data + (*ring->consumer & (ring->size - 1)));

	return waiting(ring) && !(__atomic_load_n(slot, __ATOMIC_ACQUIRE) & BPF_RINGBUF_BUSY_BIT);
}

/* A record's bytes, from a place on: what does not fit before the ring's end is at its beginning. */
static void ring_copy(const struct ring *ring, uint64_t at, char *to, size_t length)
{
	size_t from = at & (ring->size - 1), left = ring->size - from;

	if (length <= left) {
		memcpy(to, ring->data + from, length);
	} else {
		memcpy(to, ring->data + from, left);
		memcpy(to + left, ring->data, length - left);
	}
}

/* Copies whole records; those that the kernel side discarded are passed over. -EMSGSIZE when the first does not fit. `full`:
 * there is one that does not. */
static long ring_take(const struct ring *ring, char *buf, size_t cap, int *full)
{
	uint64_t at = *ring->consumer;
	uint64_t end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	size_t used = 0;

	*full = 0;
	while (at < end) {
		const char *slot = ring->data + (at & (ring->size - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)slot, __ATOMIC_ACQUIRE);
		uint32_t length = head & ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		size_t step = BPF_RINGBUF_HDR_SZ + padded(length);

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
			*full = used + step > cap;
			if (*full)
				break;
			memcpy(buf + used, &length, sizeof(length));
			memset(buf + used + sizeof(length), 0, BPF_RINGBUF_HDR_SZ - sizeof(length));
			ring_copy(ring, at + BPF_RINGBUF_HDR_SZ, buf + used + BPF_RINGBUF_HDR_SZ, length);
			if (length & 7) /* behind a text that a record ends with; in the ring there is what was there before */
				memset(buf + used + BPF_RINGBUF_HDR_SZ + length, 0, padded(length) - length);
			used += step;
		}
		at += step;
	}
	/* A record that is committed from here on sees our place and wakes us; one that was, is_ready sees. */
	__atomic_store_n(ring->consumer, at, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return *full && !used ? -EMSGSIZE : (long)used;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t)1000 + now.tv_nsec / 1000000;
}

/* Whether there is a record already: nothing will tell of it. */
static void look_for_record(er_object *o)
{
	int begun = 0;
	size_t i;

	for (i = 0; i < o->ring_count; i++)
		begun |= is_ready(&o->rings[i]);
	if (begun && !o->begun)
		o->since = now_ms();
	o->begun = begun;
}

/* From each ring; another one is first each time. */
static long rings_take(er_object *o, char *buf, size_t cap)
{
	size_t i, used = 0;

	o->full = 0;
	for (i = 0; i < o->ring_count && !o->full; i++) {
		size_t at = (o->next_ring + i) % o->ring_count;
		long length = ring_take(&o->rings[at], buf + used, cap - used, &o->full);

		if (length < 0 && !used)
			return length;
		used += length < 0 ? 0 : length;
	}
	if (o->ring_count)
		o->next_ring = (o->next_ring + 1) % o->ring_count;
	o->begun = 0;
	look_for_record(o);
	return used;
}

static int past_mark(const er_object *o)
{
	size_t i;

	for (i = 0; i < o->ring_count; i++)
		if (waiting(&o->rings[i]) >= o->rings[i].size / 4)
			return 1;
	return 0;
}

/* 1 when something woke us, 0 on time-out, -EINTR by a signal, -ECANCELED by the bell. */
static int sleep_once(er_object *o, int timeout_ms)
{
	struct epoll_event events[8];
	int i, n = epoll_wait(o->epoll, events, 8, timeout_ms);

	for (i = 0; i < n; i++) {
		char rings[64];

		if (events[i].data.u32 != IS_BELL)
			continue;
		while (read(o->bell, rings, sizeof(rings)) == sizeof(rings))
			;
		return -ECANCELED;
	}
	return n < 0 ? -errno : n > 0;
}

/*
 * Until there is enough to be worth a look. While the rings are empty nothing wakes us: the kernel side does with the first
 * record, since we stand where it begins. From then on the time runs in which more may come, unless a ring fills to its mark.
 * Where a record came behind those that were taken last, it runs already: to take it at once would be to chase a busy producer
 * for a few records at a time.
 */
static int wait_for_records(er_object *o, int timeout_ms)
{
	int64_t start = now_ms(), end;
	int woken = o->begun ? 1 : sleep_once(o, timeout_ms);

	if (woken <= 0)
		return woken;
	if (!o->begun)
		o->since = now_ms();
	o->begun = 1;
	end = o->since + o->latency_ms;
	if (timeout_ms >= 0 && start + timeout_ms < end)
		end = start + timeout_ms;
	while (woken > 0 && !past_mark(o)) {
		int64_t left = end - now_ms();

		if (left <= 0)
			break;
		woken = sleep_once(o, left);
	}
	return woken < 0 ? woken : 0;
}

int er_filled(const er_object *o)
{
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < o->ring_count; i++) {
		uint64_t filled = waiting(&o->rings[i]) * 100 / o->rings[i].size;

		most = filled > most ? filled : most;
	}
	return most;
}

void er_latency(er_object *o, int latency_ms)
{
	o->latency_ms = latency_ms;
}

int er_bell(er_object *o, int fd)
{
	o->bell = fd;
	return bell_hang(o);
}

long er_drain(er_object *o, int timeout_ms, void *buf, size_t cap)
{
	int error;

	if (o->epoll < 0)
		return -EINVAL;
	if (o->full || !timeout_ms) {
		long length = rings_take(o, buf, cap);

		if (length || !timeout_ms)
			return length;
	}
	error = wait_for_records(o, timeout_ms);
	if (error) {
		look_for_record(o); /* one may have woken us as well, and will not again */
		return error == -ECANCELED ? 0 : error;
	}
	return rings_take(o, buf, cap);
}

/* --- maps ---------------------------------------------------------------------------------------------------------- */

static int is_per_cpu(const struct bpf_map *map)
{
	enum bpf_map_type type = bpf_map__type(map);

	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static size_t bytes_of_value(const struct bpf_map *map)
{
	return is_per_cpu(map) ? padded(bpf_map__value_size(map)) * libbpf_num_possible_cpus() : bpf_map__value_size(map);
}

int er_map_sizes(er_object *o, const char *map, uint32_t *key, uint32_t *value, uint32_t *max_entries, int *per_cpu)
{
	const struct bpf_map *m = bpf_object__find_map_by_name(o->object, map);

	if (!m)
		return -ENOENT;
	*key = bpf_map__key_size(m);
	*value = bpf_map__value_size(m);
	*max_entries = bpf_map__max_entries(m);
	*per_cpu = is_per_cpu(m);
	return 0;
}

static long dump_array(const struct bpf_map *map, char *keys, char *values, uint32_t max)
{
	uint32_t i, entries = bpf_map__max_entries(map);

	if (entries > max)
		return -ENOSPC;
	for (i = 0; i < entries; i++) {
		int error = bpf_map_lookup_elem(bpf_map__fd(map), &i, values + i * bytes_of_value(map));

		if (error)
			return error;
		memcpy(keys + i * sizeof(i), &i, sizeof(i));
	}
	return i;
}

/* In batches: walking key by key starts over, or never ends, when the kernel side deletes entries meanwhile. */
static long dump_hash(const struct bpf_map *map, char *keys, char *values, uint32_t max)
{
	size_t key = bpf_map__key_size(map), value = bytes_of_value(map);
	char *place = calloc(2, key < 8 ? 8 : key); /* in and out: where the next batch starts */
	char *next = place + (key < 8 ? 8 : key);
	uint32_t used = 0;
	int error = place ? 0 : -ENOMEM;

	while (!error) {
		uint32_t count = max - used;

		/* Buckets are left but no room is: what was deleted in those behind us came back in those before us. */
		error = count ? bpf_map_lookup_batch(bpf_map__fd(map), used ? place : NULL, next, keys + used * key,
						     values + used * value, &count, NULL) : -ENOSPC;
		if (!error || error == -ENOENT) { /* ENOENT: this was the last batch */
			used += count;
			memcpy(place, next, key < 8 ? 8 : key);
		}
	}
	free(place);
	return error == -ENOENT ? (long)used : error;
}

long er_map_dump(er_object *o, const char *map, void *keys, void *values, uint32_t max)
{
	const struct bpf_map *m = bpf_object__find_map_by_name(o->object, map);

	if (!m)
		return -ENOENT;
	if (bpf_map__type(m) == BPF_MAP_TYPE_ARRAY || bpf_map__type(m) == BPF_MAP_TYPE_PERCPU_ARRAY)
		return dump_array(m, keys, values, max);
	return dump_hash(m, keys, values, max);
}

int er_map_update(er_object *o, const char *map, const void *key, const void *value)
{
	int fd = bpf_object__find_map_fd_by_name(o->object, map);

	return fd < 0 ? fd : bpf_map_update_elem(fd, key, value, BPF_ANY);
}

int er_map_delete(er_object *o, const char *map, const void *key)
{
	int fd = bpf_object__find_map_fd_by_name(o->object, map);

	return fd < 0 ? fd : bpf_map_delete_elem(fd, key);
}

int er_measure(er_object *o)
{
	if (o->stats_fd < 0)
		o->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return o->stats_fd < 0 ? -errno : 0;
}

/* Hits that a kprobe's or kretprobe's link did not run its program for: Linux 6.7 and later say so. Read by offsets of
 * struct bpf_link_info, which older headers do not have in full; what an older kernel does not fill stays 0. */
static uint64_t missed_of(const struct kept *kept)
{
	enum { PERF_EVENT = 7, KPROBE_MULTI = 8, KPROBE = 3, KRETPROBE = 4 };
	union {
		struct {
			uint32_t type, id, program, pad, kind, pad2;
			uint64_t name;
			uint32_t length, offset;
			uint64_t address, missed;
		} perf;
		struct {
			uint32_t type, id, program, pad;
			uint64_t addresses;
			uint32_t count, flags;
			uint64_t missed;
		} multi;
		char room[256];
	} info = {0};
	uint32_t length = sizeof(info);
	int fd = kept->link ? bpf_link__fd(kept->link) : kept->fd;

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return 0;
	if (info.perf.type == KPROBE_MULTI)
		return info.multi.missed;
	return info.perf.type == PERF_EVENT && (info.perf.kind == KPROBE || info.perf.kind == KRETPROBE) ? info.perf.missed : 0;
}

int er_program_size(er_object *o, const char *program, uint32_t *verified, uint32_t *kept, uint32_t *machine)
{
	const struct bpf_program *p = bpf_object__find_program_by_name(o->object, program);
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	int error;

	if (!p || bpf_program__fd(p) < 0)
		return -ENOENT;
	error = bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &length);
	*verified = info.verified_insns;
	*kept = info.xlated_prog_len / sizeof(struct bpf_insn);
	*machine = info.jited_prog_len;
	return error;
}

int er_program_stats(er_object *o, const char *program, uint64_t *runs, uint64_t *ns, uint64_t *missed)
{
	const struct bpf_program *p = bpf_object__find_program_by_name(o->object, program);
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	size_t i;
	int error;

	if (!p || bpf_program__fd(p) < 0)
		return -ENOENT;
	error = bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &length);
	*runs = info.run_cnt;
	*ns = info.run_time_ns;
	*missed = info.recursion_misses;
	for (i = 0; i < o->links_used; i++)
		if (o->links[i].program == p)
			*missed += missed_of(&o->links[i]);
	return error;
}

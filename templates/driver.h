/* The one door between ebpfrun and an artefact. Also read by cffi: plain declarations only.
 * Every function that can fail returns a negative errno. An object is used by one thread at a time. */
typedef struct er_object er_object;

enum { ER_KPROBE_MULTI = 42, ER_UPROBE_MULTI = 48 }; /* enum bpf_attach_type, of kernels newer than these headers may be */

int er_abi(void);                       /* of this interface: 15 */
const char *er_name(void);              /* of the tracer */
const char *er_code(void);              /* "code" of the manifest it was built with */
const char *er_libbpf(void);            /* version of the libbpf found */
int er_cpus(void);                      /* possible CPUs */
/* libbpf's and the kernel's words since the last call, NUL-terminated, cut at cap; returns the length that was there. */
size_t er_log(char *buf, size_t cap);
int er_mount(const char *type, const char *path);                /* of a pseudo file system: tracefs */

/* This kernel's types, /sys/kernel/btf: read when something is first asked, kept until er_types_end. One thread at a time.
 * What a "tracepoint" or a "function" of that name is called with: a line for each parameter, its name, type and bytes behind
 * tabs, a function's result last, by the name "=". Returns the length, -ENOENT for what these types do not have. */
long er_signature(const char *kind, const char *name, char *buf, size_t cap);
/* The offset in bytes of a struct's member of that kind: int, ptr, struct ..., behind "[]" for an array of them, "" for any. */
int er_member(const char *structure, const char *member, const char *kind);
void er_types_end(void);

/* Lifetime: open, configure, load, attach, drain ..., detach, drain, close. close detaches and frees, at any time. */
/* program: the bytes of the BPF object, until close. btf: a file with the types of this very kernel that the program uses, in
 * place of all of its types; or NULL. */
int er_open(er_object **out, const void *program, size_t size, const char *btf);
void er_close(er_object *o);

/* Before load. */
void *er_config(er_object *o, size_t *size);                     /* NULL when the spec has neither filters nor params */
int er_autoload(er_object *o, const char *program, int on);
int er_attach_type(er_object *o, const char *program, uint32_t type); /* ER_KPROBE_MULTI, ER_UPROBE_MULTI; 0: none */
int er_max_entries(er_object *o, const char *map, uint32_t n);   /* bytes, for the ring "events" */
int er_load(er_object *o);

/* After load; each makes one link, which detach (or close) ends. Maps and ring stay readable after detach.
 * A cookie is what bpf_get_attach_cookie() gives; one other than 0 needs Linux 5.15. */
int er_attach_tracepoint(er_object *o, const char *program, const char *category, const char *name, uint64_t cookie);
int er_attach_raw_tracepoint(er_object *o, const char *program, const char *name);
int er_attach_trace(er_object *o, const char *program);          /* tp_btf, fentry, fexit, lsm */
int er_attach_kprobe(er_object *o, const char *program, const char *function, uint64_t offset, int ret, uint64_t cookie);
int er_attach_uprobe(er_object *o, const char *program, const char *path, uint64_t file_offset, int ret, uint64_t cookie);
/* One link to many places; the cookies are cookie, cookie + 1 ... The program must have got its attach type before load. */
int er_attach_kprobes(er_object *o, const char *program, const uint64_t *addresses, uint32_t count, int ret, uint64_t cookie);
int er_attach_uprobes(er_object *o, const char *program, const char *path, const uint64_t *offsets, uint32_t count, int ret,
		      uint64_t cookie);
int er_attach_usdt(er_object *o, const char *program, const char *path, const char *provider, const char *name);
int er_attach_iter(er_object *o, const char *program);
int er_iterate(er_object *o, const char *program); /* a descriptor: reading it to its end runs the program for each object */
/* A perf event on one CPU, all processes; period in events (ns for clocks), or a frequency in Hz when freq is set. */
int er_attach_perf(er_object *o, const char *program, uint32_t type, uint64_t config, uint64_t period, int freq, int cpu);
int er_detach(er_object *o);

/* Records: [u32 length][u32 0][record], each padded to 8 bytes. Copies as many whole records as fit; the rest stays in its ring.
 * Where the last call left nothing that did not fit, more is waited for: until the first record has waited for the latency (50 ms
 * unless set), a quarter of a ring is full, timeout_ms passed (-1: none), a signal came (-EINTR) or the bell rang. Returns bytes
 * written, 0 when there was nothing; -EMSGSIZE when the next record alone does not fit. Within one ring records are in its order. Without a ring it only waits. */
long er_drain(er_object *o, int timeout_ms, void *buf, size_t cap);
int er_filled(const er_object *o);             /* per cent of the fullest ring */
void er_latency(er_object *o, int latency_ms);
int er_bell(er_object *o, int fd);              /* what is written there ends a wait; a pipe that does not block; at most once */

/* Maps, after load. dump copies keys and values (per-CPU maps: values of every possible CPU, each
 * rounded up to 8 bytes) and returns how many; -ENOSPC when there are more than max. */
int er_map_sizes(er_object *o, const char *map, uint32_t *key, uint32_t *value, uint32_t *max_entries, int *per_cpu);
long er_map_dump(er_object *o, const char *map, void *keys, void *values, uint32_t max);
int er_map_update(er_object *o, const char *map, const void *key, const void *value);
int er_map_delete(er_object *o, const char *map, const void *key);
/* Lets the kernel count and time all programs' runs, until close; the system's own setting stays as it is. */
int er_measure(er_object *o);
/* What the kernel says of a loaded program; runs and ns need er_measure. missed: hits for which it was not run, because it (or
 * another on this CPU) was running, or no return could be caught; those of links are known before detach only. */
int er_program_stats(er_object *o, const char *program, uint64_t *runs, uint64_t *ns, uint64_t *missed);
/* Of a loaded program: instructions that the verifier followed (0 before Linux 5.16) and that it kept, bytes of machine code. */
int er_program_size(er_object *o, const char *program, uint32_t *verified, uint32_t *kept, uint32_t *machine);

/* Drained records, without an object: from any thread, of a recording too. sizes holds the least and the most bytes of each
 * event's records, events of them; out must have room for every record of that event in data. */
/* Counts the first `most` records by event and returns the bytes that they take; -EBADMSG for what no such event sends. */
long er_scan(const void *data, size_t length, uint64_t most, const uint32_t *sizes, uint32_t events, uint64_t *counts);
/* The first stride bytes of one event's records (as scanned) side by side, zeroes behind those that are shorter. */
void er_gather(const void *data, size_t length, uint32_t id, uint32_t stride, void *out);
/* One text of each of them, size bytes each, zeroes behind its end. */
void er_texts(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, void *out);
/* Gives memory back to the system that was freed and that the C library keeps. Takes some ms; does nothing where that is not glibc. */
void er_tidy(void);
/* For columns that are not numbers. What the values of a field are called by number, in the order in which they are first met: the
 * number of each row's, and the row in which each number is met first; text: up to the first NUL. Returns how many. */
long er_distinct(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, int text, int32_t *numbers, uint32_t *firsts);
/* Texts one behind the other as UTF-8 (bytes that are none as \xNN) and where each begins, with one more offset for the end.
 * Returns their bytes; -EMSGSIZE when there may not be room. */
long er_utf8(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, int32_t *offsets, char *out, size_t cap);
/* The same of lists of words, as argv has them: lists says where each row's words begin, offsets where each word does. */
long er_words(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, int32_t *lists, int32_t *offsets,
	      size_t most, char *out, size_t cap);

/* Text. An encoder is told its events, after each of them its fields in the order of the line; strings are copied. `offset` turns
 * timestamps into ns since 1970. A line is head, then lead and value of each field, then tail; `name` is how the lists of marked
 * fields call it, mark its number or -1. */
typedef struct er_encoder er_encoder;
enum er_format { ER_JSON, ER_CSV, ER_LINES };
enum er_kind {
	ER_UNSIGNED, ER_SIGNED, ER_BOOL, ER_TEXT, ER_ARGV, ER_TIME, ER_DURATION, ER_BYTES, ER_HEX, ER_DEVICE, ER_IP, ER_MAC,
	ER_RESULT,                      /* a number, or the name of an error */
	ER_NAMED, ER_NAMED_SIGNED,      /* every number's text is asked for, once */
};
int er_encoder_new(er_encoder **out, enum er_format format, int64_t offset);
int er_encoder_event(er_encoder *e, uint32_t id, uint32_t size, const char *head, const char *tail); /* head NULL: no lines of it */
int er_encoder_field(er_encoder *e, const char *lead, const char *name, enum er_kind kind, uint32_t offset, uint32_t size, int mark);
void er_encoder_free(er_encoder *e);
/* Encodes drained records, from *at on, which moves behind the last whole one. Returns the bytes written: less than all when the
 * next line may not fit into cap, or needs a text that is wanted. -EBADMSG: a record that the encoder was not told of. */
long er_encode(er_encoder *e, const void *data, size_t length, size_t *at, void *out, size_t cap);
/* What is wanted: the text of this key (a number in 8 bytes, or a field's bytes); returns its length, -ENOENT for nothing. The key
 * may stand in er_encode's data. */
long er_encoder_wants(const er_encoder *e, uint32_t *event, uint32_t *field, const void **key);
int er_encoder_give(er_encoder *e, const char *text, size_t length);

/* Records in the order of their times. times: by event, where in its record its time is, 0 where it has none (such a record keeps
 * its place behind the one before it). put copies records, as drained; take copies those whose time is at most `until`, as many as
 * fit, earliest first, and returns their bytes. What is put after a later one was taken is late: it is given all the same. */
typedef struct er_order er_order;
er_order *er_order_open(const uint32_t *times, uint32_t events); /* NULL without memory */
void er_order_close(er_order *o);
int er_order_put(er_order *o, const void *data, size_t length);
long er_order_take(er_order *o, uint64_t until, void *buf, size_t cap);
uint64_t er_order_first(const er_order *o);                     /* the earliest time that waits; the largest number when none does */
uint64_t er_order_late(const er_order *o, uint32_t event);

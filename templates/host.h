/* What an artefact's <name>.host.c gives to driver.c: bpftool's skeleton behind names that do not depend on the spec. */
#pragma once
#include <stddef.h>

struct bpf_object;

extern const char host_name[];
extern const char host_code[];

void hear_libbpf(void); /* from here on libbpf's words are kept, by driver.c; before any call of libbpf, which may know a library that is gone */

/* The skeleton; NULL, with errno set, on failure. program, size and btf as in er_open. */
void *host_open(struct bpf_object **object, const void *program, size_t size, const char *btf);
int host_load(void *skeleton);                 /* 0 or a negative errno */
void host_destroy(void *skeleton);
void *host_config(void *skeleton, size_t *size); /* the config block in .rodata, NULL when there is none */

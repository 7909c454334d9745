/* The exact forward pass of a Llama- or Qwen2-family model, compiled.
 *
 * Bit for bit the same numbers as shared/exact/reference.py; docs/exact-arithmetic.md is the
 * specification of both.  Sums run over integers that cannot overflow (shared/exact/bounds.py);
 * everything else is one binary64 operation at a time, so this file must be compiled without
 * contraction (-ffp-contract=off) and without -ffast-math.
 *
 * The code is plain C11 plus intrinsics.  _kernel_body.h and its parts hold all that computes; they
 * are included once for each instruction set, and the caller chooses one at run time.
 */
#define _GNU_SOURCE
#include <Python.h>

#include <fenv.h>
#include <float.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* 1: only `float` is computed wider, as on s390x; none is used here. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1
#error "binary64 operations must round to binary64: the numpy kernel is used instead"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math reorders sums"
#endif

#include "_kernel_team.h"

/* --- the computing part, once for each instruction set --- */

#define INLINE static inline __attribute__((always_inline))
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define FN(name) JOIN(name, SUFFIX)

#define SUFFIX _portable
#define PATH 0
#include "_kernel_body.h"
#undef SUFFIX
#undef PATH

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_X86 1
#include <immintrin.h>

#define PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define TARGET_BEGIN(list) \
    PRAGMA(clang attribute push(__attribute__((target(list))), apply_to = function))
#define TARGET_END PRAGMA(clang attribute pop)
#else
#define TARGET_BEGIN(list) PRAGMA(GCC push_options) PRAGMA(GCC target(list))
#define TARGET_END PRAGMA(GCC pop_options)
#endif

TARGET_BEGIN("avx2")
#define SUFFIX _avx2
#define PATH 1
#include "_kernel_body.h"
#undef SUFFIX
#undef PATH
TARGET_END

TARGET_BEGIN("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#define SUFFIX _avx512
#define PATH 2
#include "_kernel_body.h"
#undef SUFFIX
#undef PATH
TARGET_END

#ifdef __clang__
#define TILE_INTRINSICS (__clang_major__ >= 12)
#else
#define TILE_INTRINSICS (__GNUC__ >= 11)
#endif
#if TILE_INTRINSICS && defined(__linux__)
#define HAVE_TILES 1
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

TARGET_BEGIN("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")
#define SUFFIX _amx
#define PATH 3
#include "_kernel_body.h"
#undef SUFFIX
#undef PATH
TARGET_END
#endif /* tiles */
#endif /* x86 */

/* --- what Python calls --- */

enum { PATH_PORTABLE, PATH_AVX2, PATH_AVX512, PATH_AMX };

#ifdef HAVE_TILES
/* The kernel hands out the tile registers only to processes that ask (Linux 5.16,
 * Documentation/arch/x86/xstate.rst). */
static int tiles_granted(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d & AMX_TILE) || !(d & AMX_INT8)) return 0;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

static int best_path(void) {
#ifdef HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni")) {
#ifdef HAVE_TILES
        if (tiles_granted()) return PATH_AMX;
#endif
        return PATH_AVX512;
    }
    if (__builtin_cpu_supports("avx2")) return PATH_AVX2;
#endif
    return PATH_PORTABLE;
}

/* The best path of this machine; every lower one works as well. */
int exact_best_path(void) {
    static _Atomic int known = -1;
    if (known < 0) known = best_path();
    return known;
}

int64_t exact_page_tokens(void) { return PAGE; }

int64_t exact_page_bytes(const Model *m) {
    return page_unit_bytes(m) * m->kv_heads * m->layers;
}

typedef void Runner(Team *team, int thread);

typedef struct {
    Team *team;
    Runner *run;
    int thread;
} Member;

static void *member_main(void *argument) {
    Member *member = argument;
    fenv_t before;
    while (!atomic_load(&member->team->threads)) sched_yield();
    /* Rounding to nearest, subnormals kept: other libraries may have changed either. */
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    member->run(member->team, member->thread);
    fesetenv(&before);
    return NULL;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* A part of the arena, or only its size while `base` is NULL. */
static void *part(uint8_t *base, int64_t *used, int64_t bytes) {
    void *result = base ? base + *used : NULL;
    *used += padded(bytes, 64);
    return result;
}

static int64_t lay_out(Team *team, uint8_t *base, int threads) {
    const Model *m = team->job->model;
    int64_t n = team->job->count, heads = m->heads * m->head_dim, used = 0;
    int64_t positions = padded(team->job->start + n, PAGE);
    int64_t stages = m->layers * 10 + 10;
    team->act_stride = padded(larger(m->dim, larger(heads, m->mlp_dim)), 2 * STEP);
    team->next = part(base, &used, stages * sizeof *team->next);
    team->x = part(base, &used, n * m->dim * 8);
    team->qkv = part(base, &used, n * (heads + 2 * m->kv_heads * m->head_dim) * 8);
    team->mixed = part(base, &used, n * heads * 8);
    team->hidden = part(base, &used, n * m->mlp_dim * 8);
    team->scale = part(base, &used, n * 8);
    team->act = part(base, &used, n * team->act_stride * 2);
    if (team->use_tiles) team->packed = part(base, &used, padded(n, 16) * team->act_stride * 2);
    team->query = part(base, &used, n * heads * 2);
    team->query_scale = part(base, &used, n * m->heads * 8);
    int64_t attention = 4 * (positions * 10 + padded(m->head_dim, LANES) * 8);
    team->rows_offset = UNIT * padded(n, 16) * 16; /* after sums and the results of `up` */
    int64_t dense = team->rows_offset + (n > 1 ? UNIT * team->act_stride * 2 : 0);
    team->local_bytes = padded(larger(m->dim * 8, larger(attention, dense)), 64);
    team->local = part(base, &used, team->local_bytes * threads);
    if (base) memset((void *)team->next, 0, stages * sizeof *team->next);
    return used;
}

/* Append `count` tokens to the sequence in `pages` and compute the last `rows` rows of logits.
 * Returns 0, or 1 without memory, or 2 where the path cannot run on this machine. */
int exact_forward(const Job *job, int path, int threads) {
    Runner *run = run_portable;
    if (path > exact_best_path() || path < 0) return 2;
#ifdef HAVE_X86
    if (path == PATH_AVX2) run = run_avx2;
    if (path == PATH_AVX512) run = run_avx512;
#endif
#ifdef HAVE_TILES
    if (path == PATH_AMX) run = run_amx;
#endif
    Team team;
    memset(&team, 0, sizeof team);
    team.job = job;
    team.use_tiles = path == PATH_AMX && job->count >= 8;
    int64_t bytes = lay_out(&team, NULL, threads);
    uint8_t *arena = aligned_alloc(64, bytes);
    Member *members = calloc(threads, sizeof *members);
    pthread_t *handles = calloc(threads, sizeof *handles);
    if (!arena || !members || !handles) {
        free(arena), free(members), free(handles);
        return 1;
    }
    lay_out(&team, arena, threads);
    pthread_mutex_init(&team.mutex, NULL);
    pthread_cond_init(&team.woken, NULL);
    int started = 1;
    for (; started < threads; started++) {
        members[started] = (Member){&team, run, started};
        /* a thread that cannot be had is done without */
        if (pthread_create(&handles[started], NULL, member_main, &members[started])) break;
    }
    atomic_store(&team.threads, started);
    members[0] = (Member){&team, run, 0};
    member_main(&members[0]);
    for (int i = 1; i < started; i++) pthread_join(handles[i], NULL);
    pthread_cond_destroy(&team.woken);
    pthread_mutex_destroy(&team.mutex);
    free(arena), free(members), free(handles);
    return 0;
}

/* --- so that the build system can make it an extension module; it exports nothing to Python --- */

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernel", NULL, -1, NULL,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&definition); }

/* The exact forward pass of a Llama- or Qwen2-family model, compiled.
 *
 * Bit for bit the same numbers as shared/exact/reference.py; docs/exact-arithmetic.md is the
 * specification of both.  Sums run over integers that cannot overflow (shared/exact/bounds.py);
 * everything else is one binary64 operation at a time, so this file must be compiled without
 * contraction (-ffp-contract=off) and without -ffast-math.
 *
 * The code is plain C11 plus intrinsics.  _kernel_body.h holds all that computes; it is included
 * once for each instruction set, and the caller chooses one at run time.
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

#if FLT_EVAL_METHOD != 0
#error "binary64 operations must round to binary64: the numpy kernel is used instead"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math reorders sums"
#endif

/* --- what the caller passes; mirrored in shared/exact/kernels.py ------------------------------ */

typedef struct {
    const int8_t *weights; /* [rows][columns] */
    const double *scales;  /* [rows] */
    const double *bias;    /* [rows] or NULL */
} Matrix;

typedef struct {
    Matrix wq, wk, wv, wo, gate, up, down;
    const double *attn_norm, *mlp_norm;
} Layer;

typedef struct {
    int64_t vocab, dim, layers, heads, kv_heads, head_dim, mlp_dim;
    int64_t key_limit, query_limit, value_limit, mix_limit, norm_limit;
    int64_t dim_limit, heads_limit, mlp_limit; /* activation limits by the columns of a layer */
    double eps, score_scale;                   /* score_scale: 1 / sqrt(head_dim) */
    Matrix embed, head;
    const double *final_norm;
    const int64_t *exp;       /* [EXP_ENTRIES] */
    const int32_t *cos, *sin; /* [positions][head_dim / 2] */
    const Layer *layer;
} Model;

typedef struct {
    const Model *model;
    uint8_t *const *pages; /* key-value pages of PAGE tokens, enough for start + count */
    const int32_t *tokens; /* [count] */
    double *logits;        /* [rows][vocab] */
    int64_t start, count, rows;
} Job;

/* --- sizes ------------------------------------------------------------------------------------- */

enum {
    PAGE = 64,          /* tokens in a page of the cache */
    LANES = 16,         /* 32-bit sums side by side */
    STEP = 32,          /* columns in one step of a dense layer */
    UNIT = 32,          /* weight rows in one unit of work */
    MIX_BLOCK = 32,     /* values mixed in 32 bits before the sum goes on in binary64 */
    ATTENTION_ROWS = 12, /* query rows in one unit of work, at most */
    TOKEN_UNIT = 4,     /* tokens in one unit of elementwise work */
    EXP_LAST = 131071,
    EXP_STEPS = 4096,
    SPINS = 1000, /* turns of a waiting thread before it sleeps: some 10 to 50 microseconds */
};

#define SMALLEST_PEAK 0x1p-100
#define ROUNDER 0x1.8p52 /* x + ROUNDER - ROUNDER rounds |x| < 2^51 to nearest, ties to even */

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

static int64_t padded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/* One unit of a page is what one layer and key-value head keep of PAGE tokens:
 *   keys    int16 [PAGE / LANES][head_dim / 2][LANES][2]    lanes are tokens
 *   values  int16 [PAGE / 2][head_dim padded to LANES][2]   lanes are elements, pairs are tokens
 *   key scales, value scales: double [PAGE] each
 */
typedef struct {
    int16_t *keys, *values;
    double *key_scales, *value_scales;
} PageUnit;

static int64_t page_unit_bytes(const Model *m) {
    int64_t wide = padded(m->head_dim, LANES);
    return PAGE * (m->head_dim + wide) * 2 + 2 * PAGE * 8;
}

static PageUnit page_unit(const Model *m, uint8_t *page, int64_t layer, int64_t head) {
    uint8_t *base = page + (layer * m->kv_heads + head) * page_unit_bytes(m);
    PageUnit unit;
    unit.key_scales = (double *)base;
    unit.value_scales = unit.key_scales + PAGE;
    unit.keys = (int16_t *)(unit.value_scales + PAGE);
    unit.values = unit.keys + PAGE * m->head_dim;
    return unit;
}

/* --- a team of threads --------------------------------------------------------------------------- */

typedef struct {
    const Job *job;
    _Atomic int threads; /* 0 until the team is complete */
    _Atomic int64_t *next;  /* next unit of work of each stage */
    _Atomic int waiting, rounds;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    int sleeping; /* under the mutex */
    double *x;        /* [count][dim] the residual stream */
    double *qkv;      /* [count][heads + 2 kv_heads][head_dim] */
    double *mixed;    /* [count][heads * head_dim] */
    double *hidden;   /* [count][mlp_dim] */
    double *scale;    /* [count] of the activations */
    int16_t *act;     /* [count][act_stride] */
    int64_t act_stride;
    int use_tiles;
    int8_t *packed; /* the activations once more, for tiles; NULL where there are none */
    int16_t *query;      /* [count][heads][head_dim] */
    double *query_scale; /* [count][heads] */
    uint8_t *local;      /* [threads][local_bytes] */
    int64_t local_bytes;
} Team;

/* Wait until every thread is here.  Spins, because a stage is short; sleeps when another thread does
 * not get its core, so that a busy machine is not kept busier. */
static void meet(Team *team) {
    if (team->threads == 1) return;
    int round = atomic_load_explicit(&team->rounds, memory_order_relaxed);
    if (atomic_fetch_add(&team->waiting, 1) == team->threads - 1) {
        atomic_store(&team->waiting, 0);
        pthread_mutex_lock(&team->mutex);
        atomic_store(&team->rounds, round + 1);
        if (team->sleeping) pthread_cond_broadcast(&team->woken);
        pthread_mutex_unlock(&team->mutex);
        return;
    }
    for (int spins = 0; spins < SPINS; spins++) {
        if (atomic_load(&team->rounds) != round) return;
        PAUSE();
    }
    pthread_mutex_lock(&team->mutex);
    team->sleeping++;
    while (atomic_load(&team->rounds) == round) pthread_cond_wait(&team->woken, &team->mutex);
    team->sleeping--;
    pthread_mutex_unlock(&team->mutex);
}

/* --- the computing part, once for each instruction set ------------------------------------------- */

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

/* --- what Python calls --------------------------------------------------------------------------- */

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

/* The best path of this machine; every lower one works as well. */
int exact_best_path(void) {
#ifdef HAVE_X86
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
    int64_t dense = UNIT * padded(n, 16) * 12; /* integer sums, and results of `up` in binary64 */
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

/* --- so that the build system can make it an extension module; it exports nothing to Python ------ */

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernel", NULL, -1, NULL,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&definition); }

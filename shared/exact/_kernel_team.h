/* What _kernel.c computes on: the model, the pages of the cache, and a team of threads. */

/* --- what the caller passes; mirrored in shared/exact/kernels.py --- */

typedef struct {
    const int8_t *high;   /* [rows][columns], a weight is 4 * high + rest */
    const uint8_t *rests; /* [rows][rests_stride(columns)], two bits for each column */
    const double *scales; /* [rows] */
    const double *bias;   /* [rows] or NULL */
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

/* --- sizes --- */

enum {
    PAGE = 64,          /* tokens in a page of the cache */
    LANES = 16,         /* 32-bit sums side by side */
    STEP = 32,          /* columns in one step of a dense layer */
    BLOCK = 4 * STEP,   /* columns whose rests share STEP bytes */
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

/* Bytes of the rests of a row. */
static int64_t rests_stride(int64_t columns) { return padded(columns, BLOCK) / 4; }

/* Some rows of a matrix. */
typedef struct {
    const int8_t *high;
    const uint8_t *rests;
} Rows;

static Rows rows_from(const Matrix *matrix, int64_t first, int64_t columns) {
    return (Rows){matrix->high + first * columns, matrix->rests + first * rests_stride(columns)};
}

/* The weight of one column of the first of these rows.  The rests of a BLOCK of columns are STEP
 * bytes; those of its columns [32 j, 32 j + 32) are bits 2 j and 2 j + 1 of the bytes in order. */
static int32_t weight_at(const Rows *w, int64_t k) {
    int32_t byte = w->rests[k / BLOCK * STEP + k % STEP];
    return (int32_t)w->high[k] * 4 + (byte >> (k % BLOCK / STEP * 2) & 3);
}

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

/* --- a team of threads --- */

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
    int64_t rows_offset; /* in a thread's part: UNIT weight rows joined to 16 bits, or their rests */
} Team;

/* Wait until every thread is here.  Spins, because a stage is short; sleeps when another thread
 * does not get its core, so that a busy machine is not kept busier. */
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

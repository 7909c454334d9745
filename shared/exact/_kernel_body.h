/* The computing part of _kernel.c, compiled once for each instruction set.
 *
 * PATH is 0 (plain C), 1 (AVX2), 2 (AVX-512 with VNNI) or 3 (the same with the tiles of AMX);
 * FN(name) adds the suffix of the path.  Only the integer products differ between paths; the loops
 * over binary64 are the same C, and the compiler may widen them but not change an operation.
 */

#include "_kernel_rows.h"
#include "_kernel_vectors.h"

#include "_kernel_dense.h"

#include "_kernel_attention.h"

/* --- the whole pass, run by every thread of the team --- */

/* Quantise the activations of one token. */
INLINE void FN(activate)(Team *team, const double *row, int64_t n, int64_t limit, int64_t t) {
    int16_t *to = team->act + t * team->act_stride;
    team->scale[t] = FN(quantise)(row, n, (double)limit, to);
    memset(to + n, 0, (size_t)(padded(n, STEP) - n) * 2);
#if PATH == 3
    if (team->packed && n % TILE_COLUMNS == 0) FN(pack)(team, t, n);
#endif
}

INLINE int64_t FN(lesser)(int64_t a, int64_t b) { return a < b ? a : b; }

/* Units of work are taken by whichever thread is free; a stage ends when all threads met. */
#define UNITS(unit, units) \
    for (int64_t unit; (unit = atomic_fetch_add(&team->next[stage], 1)) < (units);)
#define NEXT_STAGE() (meet(team), stage++)
#define TOKENS(t, unit) \
    for (int64_t t = (unit) * TOKEN_UNIT; t < FN(lesser)(((unit) + 1) * TOKEN_UNIT, n); t++)

static void FN(run)(Team *team, int thread) {
    const Job *job = team->job;
    const Model *m = job->model;
    int64_t n = job->count, hd = m->head_dim, stage = 0;
    int64_t queries = m->heads * hd, keys = m->kv_heads * hd, row_size = queries + 2 * keys;
    int64_t token_units = (n + TOKEN_UNIT - 1) / TOKEN_UNIT;
    int64_t group = m->heads / m->kv_heads, query_rows = n * group;
    uint8_t *local = team->local + thread * team->local_bytes;
    double *sums = (double *)local;
    double *spare = (double *)local;
    /* few rows: small units, so that every thread has work */
    int64_t rows_unit = query_rows * m->kv_heads >= 16 * team->threads ? ATTENTION_ROWS : 1;
    int64_t row_units = (query_rows + rows_unit - 1) / rows_unit;

#if PATH == 3
    FN(start_tiles)();
#endif
    UNITS(unit, token_units) TOKENS(t, unit) {
        const Rows row = rows_from(&m->embed, job->tokens[t], m->dim);
        double scale = m->embed.scales[job->tokens[t]];
        for (int64_t i = 0; i < m->dim; i++)
            team->x[t * m->dim + i] = (double)weight_at(&row, i) * scale;
    }
    NEXT_STAGE();
    for (int64_t l = 0; l < m->layers; l++) {
        const Layer *layer = &m->layer[l];
        UNITS(unit, token_units) TOKENS(t, unit) {
            FN(rms_norm)(m, team->x + t * m->dim, layer->attn_norm, spare);
            FN(activate)(team, spare, m->dim, m->dim_limit, t);
        }
        NEXT_STAGE();
        int64_t q_units = padded(queries, UNIT) / UNIT, k_units = padded(keys, UNIT) / UNIT;
        UNITS(unit, q_units + 2 * k_units) {
            int part = unit < q_units ? 0 : unit < q_units + k_units ? 1 : 2;
            const Matrix *matrix = part == 0 ? &layer->wq : part == 1 ? &layer->wk : &layer->wv;
            int64_t first = (unit - (part > 0) * q_units - (part > 1) * k_units) * UNIT;
            int64_t rows = part ? keys : queries;
            int64_t base = (part > 0) * queries + (part > 1) * keys;
            FN(dense_unit)(team, matrix, m->dim, first, FN(lesser)(UNIT, rows - first), 0, n, sums,
                           FN(STORE), team->qkv + base + first, row_size);
        }
        NEXT_STAGE();
        UNITS(unit, token_units) TOKENS(t, unit) FN(prepare)(team, l, t, (int16_t *)local);
        NEXT_STAGE();
        UNITS(unit, m->kv_heads * row_units) {
            int64_t head = unit % m->kv_heads, row = unit / m->kv_heads * rows_unit;
            int64_t end = FN(lesser)(row + rows_unit, query_rows);
            for (; row + 4 <= end; row += 4) FN(attend4)(team, l, head, row, local);
            for (; row < end; row++) FN(attend1)(team, l, head, row, local);
        }
        NEXT_STAGE();
        UNITS(unit, token_units) TOKENS(t, unit)
            FN(activate)(team, team->mixed + t * queries, queries, m->heads_limit, t);
        NEXT_STAGE();
        UNITS(unit, padded(m->dim, UNIT) / UNIT)
            FN(dense_unit)(team, &layer->wo, queries, unit * UNIT,
                           FN(lesser)(UNIT, m->dim - unit * UNIT), 0, n, sums, FN(ADD),
                           team->x + unit * UNIT, m->dim);
        NEXT_STAGE();
        UNITS(unit, token_units) TOKENS(t, unit) {
            FN(rms_norm)(m, team->x + t * m->dim, layer->mlp_norm, spare);
            FN(activate)(team, spare, m->dim, m->dim_limit, t);
        }
        NEXT_STAGE();
        UNITS(unit, padded(m->mlp_dim, UNIT) / UNIT) {
            int64_t first = unit * UNIT, rows = FN(lesser)(UNIT, m->mlp_dim - first);
            double *up = sums + padded(n, 16) * UNIT;
            FN(dense_unit)(team, &layer->gate, m->dim, first, rows, 0, n, sums, FN(STORE),
                           team->hidden + first, m->mlp_dim);
            FN(dense_unit)(team, &layer->up, m->dim, first, rows, 0, n, sums, FN(STORE),
                           up, UNIT);
            for (int64_t t = 0; t < n; t++)
                FN(gated)(m->exp, team->hidden + t * m->mlp_dim + first, up + t * UNIT, rows);
        }
        NEXT_STAGE();
        UNITS(unit, token_units) TOKENS(t, unit)
            FN(activate)(team, team->hidden + t * m->mlp_dim, m->mlp_dim, m->mlp_limit, t);
        NEXT_STAGE();
        UNITS(unit, padded(m->dim, UNIT) / UNIT)
            FN(dense_unit)(team, &layer->down, m->mlp_dim, unit * UNIT,
                           FN(lesser)(UNIT, m->dim - unit * UNIT), 0, n, sums, FN(ADD),
                           team->x + unit * UNIT, m->dim);
        NEXT_STAGE();
    }
    int64_t skip = n - job->rows;
    UNITS(unit, token_units) TOKENS(t, unit) {
        if (t < skip) continue;
        FN(rms_norm)(m, team->x + t * m->dim, m->final_norm, spare);
        FN(activate)(team, spare, m->dim, m->dim_limit, t);
    }
    NEXT_STAGE();
    if (job->rows)
        UNITS(unit, padded(m->vocab, UNIT) / UNIT)
            FN(dense_unit)(team, &m->head, m->dim, unit * UNIT,
                           FN(lesser)(UNIT, m->vocab - unit * UNIT), skip, job->rows, sums,
                           FN(STORE), job->logits + unit * UNIT, m->vocab);
#if PATH == 3
    _tile_release();
#endif
}

#undef UNITS
#undef NEXT_STAGE
#undef TOKENS

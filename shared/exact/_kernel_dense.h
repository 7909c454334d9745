/* Dense layers (docs/exact-arithmetic.md, 4).  Part of _kernel_body.h.
 */

#if PATH == 0

static void FN(products)(const Team *team, const Rows *w, int64_t columns, int64_t rows,
                         const int16_t *a, int64_t stride, int64_t tokens, double *restrict out) {
    (void)team;
    for (int64_t r = 0; r < rows; r++) {
        const Rows own = {w->high + r * columns, w->rests + r * rests_stride(columns)};
        for (int64_t t = 0; t < tokens; t++) out[t * UNIT + r] = 0.0;
        for (int64_t k = 0; k < columns; k += BLOCK) {
            int64_t width = columns - k < BLOCK ? columns - k : BLOCK;
            int32_t row[BLOCK];
            for (int64_t i = 0; i < width; i++) row[i] = weight_at(&own, k + i);
            for (int64_t t = 0; t < tokens; t++) {
                const int16_t *restrict act = a + t * stride + k;
                int32_t sum = 0; /* of at most BLOCK * 512 * 8191 < 2^31 */
                for (int64_t i = 0; i < width; i++) sum += row[i] * act[i];
                out[t * UNIT + r] += (double)sum;
            }
        }
    }
}

#else

/* Weight rows joined to 16 bits, padded with zeros to whole steps: wide[rows][padded columns]. */
static void FN(join_rows)(const Rows *w, int64_t columns, int64_t rows, int16_t *wide) {
    for (int64_t r = 0; r < rows; r++) {
        const int8_t *high = w->high + r * columns;
        const uint8_t *rests = w->rests + r * rests_stride(columns);
        FN(Shorts) rest = {0};
        for (int64_t k = 0; k < columns; k += STEP, wide += STEP) {
            if (k % BLOCK == 0) rest = FN(widen_rests)(rests + k / BLOCK * STEP);
            FN(store)(wide, FN(join)(FN(widen_start)(high + k, columns - k), &rest));
        }
    }
}

/* Sums of `rows` joined weight rows with `tokens` activation rows; both counts are constants. */
INLINE void FN(tile)(const int rows, const int tokens, const int16_t *w, int64_t width,
                     const int16_t *a, int64_t stride, double *out) {
    FN(Sums) sums[FN(DENSE_TOKENS)][4];
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < 4; r++) sums[t][r] = FN(zero)();
    for (int64_t k = 0; k < width; k += STEP) {
        FN(Shorts) row[4];
        for (int r = 0; r < rows; r++) row[r] = FN(load)(w + r * width + k);
        for (int t = 0; t < tokens; t++) {
            FN(Shorts) act = FN(load)(a + t * stride + k);
            for (int r = 0; r < rows; r++) sums[t][r] = FN(dot)(sums[t][r], row[r], act);
        }
    }
    for (int t = 0; t < tokens; t++) FN(totals)(rows, sums[t], out + t * UNIT);
}

INLINE void FN(strip)(const int tokens, const int16_t *w, int64_t width, int64_t rows,
                      const int16_t *a, int64_t stride, double *out) {
    int64_t r = 0;
    for (; r + FN(DENSE_ROWS) <= rows; r += FN(DENSE_ROWS))
        FN(tile)(FN(DENSE_ROWS), tokens, w + r * width, width, a, stride, out + r);
    for (; r < rows; r++) FN(tile)(1, tokens, w + r * width, width, a, stride, out + r);
}

/* The same with one activation row, straight from the matrix: each weight is needed once. */
INLINE void FN(lone)(const int rows, const int8_t *high, const uint8_t *rests, int64_t columns,
                     const int16_t *a, double *out) {
    FN(Sums) sums[4];
    FN(Shorts) rest[4] = {0};
    for (int r = 0; r < 4; r++) sums[r] = FN(zero)();
    for (int64_t k = 0; k < columns; k += STEP) {
        FN(Shorts) act = FN(load)(a + k);
        if (k % BLOCK == 0)
            for (int r = 0; r < rows; r++)
                rest[r] = FN(widen_rests)(rests + r * rests_stride(columns) + k / BLOCK * STEP);
        for (int r = 0; r < rows; r++) {
            FN(Shorts) row = FN(widen_start)(high + r * columns + k, columns - k);
            sums[r] = FN(dot)(sums[r], FN(join)(row, &rest[r]), act);
        }
    }
    FN(totals)(rows, sums, out);
}

/* out[t][r] = sum over k of w[r][k] * a[t][k], for at most UNIT rows; `out` has rows of UNIT and
 * begins a thread's local memory. */
static void FN(products)(const Team *team, const Rows *w, int64_t columns, int64_t rows,
                         const int16_t *a, int64_t stride, int64_t tokens, double *out) {
    const int step = FN(DENSE_TOKENS);
    int64_t t = 0, r = 0, width = padded(columns, STEP), rests = rests_stride(columns);
    if (tokens == 1) {
        for (; r + 4 <= rows; r += 4)
            FN(lone)(4, w->high + r * columns, w->rests + r * rests, columns, a, out + r);
        for (; r < rows; r++)
            FN(lone)(1, w->high + r * columns, w->rests + r * rests, columns, a, out + r);
        return;
    }
    int16_t *wide = (int16_t *)((uint8_t *)out + team->rows_offset);
    FN(join_rows)(w, columns, rows, wide);
    for (; t + step <= tokens; t += step)
        FN(strip)(step, wide, width, rows, a + t * stride, stride, out + t * UNIT);
    for (; t < tokens; t++) FN(strip)(1, wide, width, rows, a + t * stride, stride, out + t * UNIT);
}

#endif

#if PATH == 3
#include "_kernel_tiles.h"
#endif

/* What a dense layer does with its results. */
enum FN(Use) { FN(STORE), FN(ADD) };

/* Rows [first, first + rows) of one dense layer for some tokens, to out[t * stride + r]. */
static void FN(dense_unit)(const Team *team, const Matrix *matrix, int64_t columns, int64_t first,
                           int64_t rows, int64_t token, int64_t tokens, double *sums,
                           enum FN(Use) use, double *out, int64_t stride) {
    const Rows w = rows_from(matrix, first, columns);
#if PATH == 3
    if (FN(tiled)(team, columns, rows, token, tokens))
        FN(tile_products)(team, &w, columns, tokens, sums);
    else
#endif
        FN(products)(team, &w, columns, rows, team->act + token * team->act_stride,
                     team->act_stride, tokens, sums);
    const double *restrict scales = matrix->scales + first;
    for (int64_t t = 0; t < tokens; t++) {
        const double *restrict sum = sums + t * UNIT;
        double *restrict to = out + t * stride;
        double scale = team->scale[token + t];
        if (use == FN(ADD))
            for (int64_t r = 0; r < rows; r++) to[r] = to[r] + (sum[r] * scale) * scales[r];
        else if (matrix->bias)
            for (int64_t r = 0; r < rows; r++)
                to[r] = (sum[r] * scale) * scales[r] + matrix->bias[first + r];
        else
            for (int64_t r = 0; r < rows; r++) to[r] = (sum[r] * scale) * scales[r];
    }
}

/* Dense layers (docs/exact-arithmetic.md, 4).  Part of _kernel_body.h.
 */

#if PATH == 0

static void FN(products)(const int8_t *w, int64_t columns, int64_t rows, const int16_t *a,
                         int64_t stride, int64_t tokens, int32_t *restrict out) {
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t r = 0; r < rows; r++) {
            const int8_t *restrict row = w + r * columns;
            const int16_t *restrict act = a + t * stride;
            int32_t sum = 0;
            for (int64_t k = 0; k < columns; k++) sum += (int32_t)row[k] * act[k];
            out[t * UNIT + r] = sum;
        }
}

#else

/* Sums of `rows` weight rows with `tokens` activation rows; both counts are constants. */
INLINE void FN(tile)(const int rows, const int tokens, const int8_t *w, int64_t columns,
                     const int16_t *a, int64_t stride, int32_t *out) {
    FN(Sums) sums[FN(DENSE_TOKENS)][4];
    int64_t k = 0;
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < 4; r++) sums[t][r] = FN(zero)();
    for (; k + STEP <= columns; k += STEP) {
        FN(Shorts) row[4];
        for (int r = 0; r < rows; r++) row[r] = FN(widen)(w + r * columns + k);
        for (int t = 0; t < tokens; t++) {
            FN(Shorts) act = FN(load)(a + t * stride + k);
            for (int r = 0; r < rows; r++) sums[t][r] = FN(dot)(sums[t][r], row[r], act);
        }
    }
    if (k < columns) { /* activations are padded with zeros; a weight row is not */
        int8_t rest[4][STEP] = {{0}};
        for (int r = 0; r < rows; r++) {
            memcpy(rest[r], w + r * columns + k, (size_t)(columns - k));
            FN(Shorts) row = FN(widen)(rest[r]);
            for (int t = 0; t < tokens; t++)
                sums[t][r] = FN(dot)(sums[t][r], row, FN(load)(a + t * stride + k));
        }
    }
    for (int t = 0; t < tokens; t++) {
        if (rows == 4)
            FN(totals4)(sums[t], out + t * UNIT);
        else
            for (int r = 0; r < rows; r++) out[t * UNIT + r] = FN(total)(sums[t][r]);
    }
}

INLINE void FN(strip)(const int tokens, const int8_t *w, int64_t columns, int64_t rows,
                      const int16_t *a, int64_t stride, int32_t *out) {
    int64_t r = 0;
    for (; r + FN(DENSE_ROWS) <= rows; r += FN(DENSE_ROWS))
        FN(tile)(FN(DENSE_ROWS), tokens, w + r * columns, columns, a, stride, out + r);
    for (; r < rows; r++) FN(tile)(1, tokens, w + r * columns, columns, a, stride, out + r);
}

/* out[t][r] = sum over k of w[r][k] * a[t][k], for at most UNIT rows; `out` has rows of UNIT. */
static void FN(products)(const int8_t *w, int64_t columns, int64_t rows, const int16_t *a,
                         int64_t stride, int64_t tokens, int32_t *restrict out) {
    const int step = FN(DENSE_TOKENS);
    int64_t t = 0;
    for (; t + step <= tokens; t += step)
        FN(strip)(step, w, columns, rows, a + t * stride, stride, out + t * UNIT);
    for (; t < tokens; t++)
        FN(strip)(1, w, columns, rows, a + t * stride, stride, out + t * UNIT);
}

#endif

#if PATH == 3
#include "_kernel_tiles.h"
#endif

/* What a dense layer does with its results. */
enum FN(Use) { FN(STORE), FN(ADD) };

/* Rows [first, first + rows) of one dense layer for some tokens, to out[t * stride + r]. */
static void FN(dense_unit)(const Team *team, const Matrix *matrix, int64_t columns, int64_t first,
                           int64_t rows, int64_t token, int64_t tokens, int32_t *sums,
                           enum FN(Use) use, double *out, int64_t stride) {
    const int8_t *weights = matrix->weights + first * columns;
#if PATH == 3
    if (FN(tiled)(team, columns, rows, token, tokens))
        FN(tile_products)(team, weights, columns, tokens, sums);
    else
#endif
        FN(products)(weights, columns, rows, team->act + token * team->act_stride,
                     team->act_stride, tokens, sums);
    const double *restrict scales = matrix->scales + first;
    for (int64_t t = 0; t < tokens; t++) {
        const int32_t *restrict sum = sums + t * UNIT;
        double *restrict to = out + t * stride;
        double scale = team->scale[token + t];
        if (use == FN(ADD))
            for (int64_t r = 0; r < rows; r++) to[r] = to[r] + ((double)sum[r] * scale) * scales[r];
        else if (matrix->bias)
            for (int64_t r = 0; r < rows; r++)
                to[r] = ((double)sum[r] * scale) * scales[r] + matrix->bias[first + r];
        else
            for (int64_t r = 0; r < rows; r++) to[r] = ((double)sum[r] * scale) * scales[r];
    }
}

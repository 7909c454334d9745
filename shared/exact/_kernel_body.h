/* The computing part of _kernel.c, compiled once for each instruction set.
 *
 * PATH is 0 (plain C), 1 (AVX2), 2 (AVX-512 with VNNI) or 3 (the same with the tiles of AMX);
 * FN(name) adds the suffix of the path.
 * Only the integer products differ between paths; the loops over binary64 are the same C, and
 * the compiler may widen them but not change an operation.
 */

/* --- rounding and quantising (docs/exact-arithmetic.md, 2) --------------------------------------- */

INLINE uint64_t FN(bits)(double value) {
    uint64_t result;
    memcpy(&result, &value, 8);
    return result;
}

INLINE double FN(from_bits)(uint64_t value) {
    double result;
    memcpy(&result, &value, 8);
    return result;
}

/* The integer nearest to |x| < 2^31, ties to even: the low half of x + ROUNDER. */
INLINE int32_t FN(nearest)(double x) { return (int32_t)FN(bits)(x + ROUNDER); }

/* Non-negative doubles order like their bits, and a maximum has no order of evaluation. */
static double FN(peak)(const double *v, int64_t n) {
    int64_t best[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            int64_t b = (int64_t)(FN(bits)(v[i + l]) & INT64_MAX);
            best[l] = b > best[l] ? b : best[l];
        }
    for (; i < n; i++) {
        int64_t b = (int64_t)(FN(bits)(v[i]) & INT64_MAX);
        best[0] = b > best[0] ? b : best[0];
    }
    for (int l = 1; l < 8; l++) best[0] = best[l] > best[0] ? best[l] : best[0];
    double peak = FN(from_bits)((uint64_t)best[0]);
    return peak > SMALLEST_PEAK ? peak : SMALLEST_PEAK;
}

/* Integers up to `limit` in `out`; returns the scale of the row. */
static double FN(quantise)(const double *restrict v, int64_t n, double limit,
                           int16_t *restrict out) {
    double peak = FN(peak)(v, n), inverse = limit / peak;
    for (int64_t i = 0; i < n; i++) out[i] = (int16_t)FN(nearest)(v[i] * inverse);
    return peak / limit;
}

static void FN(rms_norm)(const Model *m, const double *restrict x, const double *restrict weight,
                         double *restrict out) {
    int64_t n = m->dim, i = 0;
    double limit = (double)m->norm_limit;
    double peak = FN(peak)(x, n), inverse = limit / peak, scale = peak / limit;
    double sums[8] = {0}; /* of integers below 2^53, so their order does not matter */
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            double q = (x[i + l] * inverse + ROUNDER) - ROUNDER;
            sums[l] += q * q;
        }
    for (; i < n; i++) {
        double q = (x[i] * inverse + ROUNDER) - ROUNDER;
        sums[0] += q * q;
    }
    for (int l = 1; l < 8; l++) sums[0] += sums[l];
    double mean = (sums[0] / (double)n) * (scale * scale);
    double factor = 1.0 / __builtin_sqrt(mean + m->eps);
    for (i = 0; i < n; i++) out[i] = (x[i] * factor) * weight[i];
}

/* --- vectors: 16 sums of 32 bits, 32 integers of 16 bits ------------------------------------------- */

#if PATH >= 2

typedef __m512i FN(Sums);
typedef __m512i FN(Shorts);
INLINE FN(Sums) FN(zero)(void) { return _mm512_setzero_si512(); }
INLINE FN(Shorts) FN(load)(const int16_t *p) { return _mm512_loadu_si512(p); }
INLINE FN(Shorts) FN(widen)(const int8_t *p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
INLINE FN(Shorts) FN(pair)(const int16_t *p) {
    int32_t both;
    memcpy(&both, p, 4);
    return _mm512_set1_epi32(both);
}
INLINE FN(Sums) FN(dot)(FN(Sums) sum, FN(Shorts) a, FN(Shorts) b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
INLINE void FN(scale_to)(FN(Sums) sum, double a, const double *b, double *out) {
    __m512d low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum));
    __m512d high = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sum, 1));
    __m512d all = _mm512_set1_pd(a);
    _mm512_storeu_pd(out, _mm512_mul_pd(low, _mm512_mul_pd(all, _mm512_loadu_pd(b))));
    _mm512_storeu_pd(out + 8, _mm512_mul_pd(high, _mm512_mul_pd(all, _mm512_loadu_pd(b + 8))));
}
INLINE void FN(add_to)(FN(Sums) sum, double *out) {
    __m512d low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum));
    __m512d high = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sum, 1));
    _mm512_storeu_pd(out, _mm512_add_pd(_mm512_loadu_pd(out), low));
    _mm512_storeu_pd(out + 8, _mm512_add_pd(_mm512_loadu_pd(out + 8), high));
}
INLINE int32_t FN(total)(FN(Sums) sum) { return _mm512_reduce_add_epi32(sum); }
INLINE void FN(totals4)(const FN(Sums) * s, int32_t *out) {
    __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
    __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
    __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    __m256i d = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    __m128i e = _mm_add_epi32(_mm256_castsi256_si128(d), _mm256_extracti128_si256(d, 1));
    _mm_storeu_si128((__m128i *)out, e);
}
enum { FN(DENSE_ROWS) = 4, FN(DENSE_TOKENS) = 4, FN(SCORE_BLOCKS) = 4, FN(MIX_LANES) = 4 };

#elif PATH == 1

typedef struct { __m256i low, high; } FN(Sums);
typedef struct { __m256i low, high; } FN(Shorts);
INLINE FN(Sums) FN(zero)(void) {
    return (FN(Sums)){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
INLINE FN(Shorts) FN(load)(const int16_t *p) {
    return (FN(Shorts)){_mm256_loadu_si256((const __m256i *)p),
                        _mm256_loadu_si256((const __m256i *)(p + 16))};
}
INLINE FN(Shorts) FN(widen)(const int8_t *p) {
    return (FN(Shorts)){_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)),
                        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p + 16)))};
}
INLINE FN(Shorts) FN(pair)(const int16_t *p) {
    int32_t both;
    memcpy(&both, p, 4);
    __m256i all = _mm256_set1_epi32(both);
    return (FN(Shorts)){all, all};
}
INLINE FN(Sums) FN(dot)(FN(Sums) sum, FN(Shorts) a, FN(Shorts) b) {
    return (FN(Sums)){_mm256_add_epi32(sum.low, _mm256_madd_epi16(a.low, b.low)),
                      _mm256_add_epi32(sum.high, _mm256_madd_epi16(a.high, b.high))};
}
INLINE void FN(quarters)(FN(Sums) sum, __m256d *out) {
    out[0] = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sum.low));
    out[1] = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sum.low, 1));
    out[2] = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sum.high));
    out[3] = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sum.high, 1));
}
INLINE void FN(scale_to)(FN(Sums) sum, double a, const double *b, double *out) {
    __m256d quarter[4], all = _mm256_set1_pd(a);
    FN(quarters)(sum, quarter);
    for (int i = 0; i < 4; i++) {
        __m256d factor = _mm256_mul_pd(all, _mm256_loadu_pd(b + 4 * i));
        _mm256_storeu_pd(out + 4 * i, _mm256_mul_pd(quarter[i], factor));
    }
}
INLINE void FN(add_to)(FN(Sums) sum, double *out) {
    __m256d quarter[4];
    FN(quarters)(sum, quarter);
    for (int i = 0; i < 4; i++)
        _mm256_storeu_pd(out + 4 * i, _mm256_add_pd(_mm256_loadu_pd(out + 4 * i), quarter[i]));
}
INLINE int32_t FN(total)(FN(Sums) sum) {
    __m256i a = _mm256_add_epi32(sum.low, sum.high);
    __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1));
    return _mm_cvtsi128_si32(b);
}
INLINE void FN(totals4)(const FN(Sums) * s, int32_t *out) {
    for (int i = 0; i < 4; i++) out[i] = FN(total)(s[i]);
}
enum { FN(DENSE_ROWS) = 2, FN(DENSE_TOKENS) = 2, FN(SCORE_BLOCKS) = 1, FN(MIX_LANES) = 1 };

#else

typedef struct { int32_t v[LANES]; } FN(Sums);
typedef struct { int16_t v[2 * LANES]; } FN(Shorts);
INLINE FN(Sums) FN(zero)(void) { return (FN(Sums)){{0}}; }
INLINE FN(Shorts) FN(load)(const int16_t *p) {
    FN(Shorts) result;
    memcpy(result.v, p, sizeof result.v);
    return result;
}
INLINE FN(Shorts) FN(pair)(const int16_t *p) {
    FN(Shorts) result;
    for (int i = 0; i < LANES; i++) result.v[2 * i] = p[0], result.v[2 * i + 1] = p[1];
    return result;
}
INLINE FN(Sums) FN(dot)(FN(Sums) sum, FN(Shorts) a, FN(Shorts) b) {
    for (int i = 0; i < LANES; i++)
        sum.v[i] += (int32_t)a.v[2 * i] * b.v[2 * i] + (int32_t)a.v[2 * i + 1] * b.v[2 * i + 1];
    return sum;
}
INLINE void FN(scale_to)(FN(Sums) sum, double a, const double *b, double *out) {
    for (int i = 0; i < LANES; i++) out[i] = (double)sum.v[i] * (a * b[i]);
}
INLINE void FN(add_to)(FN(Sums) sum, double *out) {
    for (int i = 0; i < LANES; i++) out[i] += (double)sum.v[i];
}
enum { FN(SCORE_BLOCKS) = 1, FN(MIX_LANES) = 1 };

#endif

/* --- dense layers (4) ------------------------------------------------------------------------------ */

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

/* Tiles: 16 weight rows of 64 columns, straight from the matrix, times 16 tokens of 64 columns, the
 * activations in two 8-bit halves.  Only whole units of rows, tokens and columns go this way. */
enum { TILE = 16, TILE_COLUMNS = 64, TILE_TOKENS = 8 /* fewer are not worth the tiles */ };

static int FN(tiled)(const Team *team, int64_t columns, int64_t rows, int64_t token,
                     int64_t tokens) {
    return columns % TILE_COLUMNS == 0 && rows == 2 * TILE && token == 0 &&
           tokens >= TILE_TOKENS && team->packed;
}

static void FN(start_tiles)(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int i = 0; i < 8; i++) config.bytes[i] = TILE_COLUMNS, config.rows[i] = TILE;
    _tile_loadconfig(&config);
}

/* Halves of the activations of one token: packed[token / 16][half][column / 4][token % 16][4]. */
static void FN(pack)(const Team *team, int64_t t, int64_t columns) {
    const int16_t *from = team->act + t * team->act_stride;
    int8_t *to = team->packed + (t / TILE * 2) * TILE * columns + t % TILE * 4;
    for (int64_t k = 0; k < columns; k += 64) {
        int8_t high[64], low[64];
        for (int i = 0; i < 64; i++) {
            int16_t half = (int16_t)((from[k + i] + 64) >> 7);
            high[i] = (int8_t)half;
            low[i] = (int8_t)(from[k + i] - half * 128);
        }
        for (int i = 0; i < 64; i += 4) {
            memcpy(to + (k + i) / 4 * 64, high + i, 4);
            memcpy(to + TILE * columns + (k + i) / 4 * 64, low + i, 4);
        }
    }
}

/* out[token][row] = high[row][token] * 128 + low[row][token] */
static void FN(join_halves)(const int32_t *high, const int32_t *low, int32_t *out) {
    __m512i a[TILE], b[TILE];
    for (int i = 0; i < TILE; i++)
        a[i] = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(high + i * TILE), 7),
                                _mm512_load_si512(low + i * TILE));
    for (int i = 0; i < TILE; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < TILE; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* a[4 g + i], quarter q: rows 4 g .. 4 g + 3 of token 4 q + i */
        __m512i even1 = _mm512_shuffle_i32x4(a[i], a[4 + i], 0x88);
        __m512i even2 = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0x88);
        __m512i odd1 = _mm512_shuffle_i32x4(a[i], a[4 + i], 0xdd);
        __m512i odd2 = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0xdd);
        _mm512_storeu_si512(out + i * UNIT, _mm512_shuffle_i32x4(even1, even2, 0x88));
        _mm512_storeu_si512(out + (4 + i) * UNIT, _mm512_shuffle_i32x4(odd1, odd2, 0x88));
        _mm512_storeu_si512(out + (8 + i) * UNIT, _mm512_shuffle_i32x4(even1, even2, 0xdd));
        _mm512_storeu_si512(out + (12 + i) * UNIT, _mm512_shuffle_i32x4(odd1, odd2, 0xdd));
    }
}

/* As products(), for 32 rows and all tokens; `out` has room for whole tiles of tokens. */
static void FN(tile_products)(const Team *team, const int8_t *w, int64_t columns, int64_t tokens,
                              int32_t *restrict out) {
    _Alignas(64) int32_t sums[4][TILE * TILE];
    for (int64_t t = 0; t < tokens; t += TILE) {
        const int8_t *high = team->packed + t * 2 * columns, *low = high + TILE * columns;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t k = 0; k < columns; k += TILE_COLUMNS) {
            _tile_loadd(4, w + k, columns);
            _tile_loadd(6, high + k * TILE, TILE_COLUMNS);
            _tile_loadd(7, low + k * TILE, TILE_COLUMNS);
            _tile_loadd(5, w + TILE * columns + k, columns);
            _tile_dpbssd(0, 4, 6);
            _tile_dpbssd(1, 4, 7);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
        }
        _tile_stored(0, sums[0], 64);
        _tile_stored(1, sums[1], 64);
        _tile_stored(2, sums[2], 64);
        _tile_stored(3, sums[3], 64);
        FN(join_halves)(sums[0], sums[1], out + t * UNIT);
        FN(join_halves)(sums[2], sums[3], out + t * UNIT + TILE);
    }
}

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

/* --- exponentials (1, 7) ------------------------------------------------------------------------------ */

/* Table entries below 2^52 as doubles: exact. */
INLINE double FN(whole)(int64_t value) {
    return FN(from_bits)((uint64_t)value | UINT64_C(0x4330000000000000)) - 0x1p52;
}

/* Table entries of `n` distances of 0 and more. */
static void FN(lookup)(const int64_t *restrict table, const double *restrict distance, int64_t n,
                       int64_t *restrict entry) {
    int64_t i = 0;
#if PATH >= 2
    const __m512d rounder = _mm512_set1_pd(ROUNDER);
    for (; i + 8 <= n; i += 8) {
        __m512d steps = _mm512_mul_pd(_mm512_loadu_pd(distance + i), _mm512_set1_pd(EXP_STEPS));
        steps = _mm512_add_pd(_mm512_min_pd(steps, _mm512_set1_pd(EXP_LAST)), rounder);
        __m512i index =
            _mm512_sub_epi64(_mm512_castpd_si512(steps), _mm512_castpd_si512(rounder));
        _mm512_storeu_si512(entry + i, _mm512_i64gather_epi64(index, table, 8));
    }
#endif
    for (; i < n; i++) {
        double steps = distance[i] * (double)EXP_STEPS;
        entry[i] = table[FN(nearest)(steps < (double)EXP_LAST ? steps : (double)EXP_LAST)];
    }
}

/* silu(gate) * up, over at most UNIT elements in place of `gate`. */
static void FN(gated)(const int64_t *restrict table, double *restrict gate,
                      const double *restrict up, int64_t n) {
    double distance[UNIT];
    int64_t entry[UNIT];
    for (int64_t i = 0; i < n; i++) distance[i] = __builtin_fabs(gate[i]);
    FN(lookup)(table, distance, n, entry);
    for (int64_t i = 0; i < n; i++) {
        double decay = FN(whole)(entry[i]) * 0x1p-40;
        double numerator = gate[i] >= 0.0 ? 1.0 : decay;
        gate[i] = (gate[i] * (numerator / (1.0 + decay))) * up[i];
    }
}

/* --- attention (5, 6) ------------------------------------------------------------------------------------ */

/* Rotate one head in place. */
static void FN(rotate)(double *restrict head, const int32_t *restrict cos,
                       const int32_t *restrict sin, int64_t half) {
    for (int64_t i = 0; i < half; i++) {
        double c = (double)cos[i] * 0x1p-30, s = (double)sin[i] * 0x1p-30;
        double first = head[i], second = head[half + i];
        head[i] = first * c - second * s;
        head[half + i] = second * c + first * s;
    }
}

/* Rotate, quantise and store query, key and value of one token. */
static void FN(prepare)(const Team *team, int64_t layer, int64_t t, int16_t *spare) {
    const Model *m = team->job->model;
    int64_t hd = m->head_dim, half = hd / 2, wide = padded(hd, LANES);
    int64_t position = team->job->start + t, slot = position % PAGE;
    const int32_t *cos = m->cos + position * half, *sin = m->sin + position * half;
    double *row = team->qkv + t * (m->heads + 2 * m->kv_heads) * hd;
    for (int64_t h = 0; h < m->heads; h++, row += hd) {
        FN(rotate)(row, cos, sin, half);
        double scale = FN(quantise)(row, hd, (double)m->query_limit,
                                    team->query + (t * m->heads + h) * hd);
        team->query_scale[t * m->heads + h] = scale * m->score_scale;
    }
    for (int64_t h = 0; h < m->kv_heads; h++, row += hd) {
        PageUnit unit = page_unit(m, team->job->pages[position / PAGE], layer, h);
        FN(rotate)(row, cos, sin, half);
        unit.key_scales[slot] = FN(quantise)(row, hd, (double)m->key_limit, spare);
        int16_t *to = unit.keys + slot / LANES * half * 2 * LANES + slot % LANES * 2;
        for (int64_t p = 0; p < half; p++) memcpy(to + p * 2 * LANES, spare + 2 * p, 4);
    }
    for (int64_t h = 0; h < m->kv_heads; h++, row += hd) {
        PageUnit unit = page_unit(m, team->job->pages[position / PAGE], layer, h);
        unit.value_scales[slot] = FN(quantise)(row, hd, (double)m->value_limit, spare);
        int16_t *to = unit.values + slot / 2 * wide * 2 + slot % 2;
        for (int64_t d = 0; d < hd; d++) to[2 * d] = spare[d];
    }
}

/* Scores of `rows` (a constant) queries with the PAGE keys of a page. */
INLINE void FN(score_page)(const int rows, const PageUnit *unit, int64_t half,
                           int16_t *const *query, const double *scale, double *const *out) {
    const int blocks = FN(SCORE_BLOCKS);
    for (int first = 0; first < PAGE / LANES; first += blocks) {
        FN(Sums) sums[4][4];
        for (int r = 0; r < rows; r++)
            for (int b = 0; b < blocks; b++) sums[r][b] = FN(zero)();
        for (int64_t p = 0; p < half; p++) {
            FN(Shorts) key[4];
            for (int b = 0; b < blocks; b++)
                key[b] = FN(load)(unit->keys + ((first + b) * half + p) * 2 * LANES);
            for (int r = 0; r < rows; r++) {
                FN(Shorts) both = FN(pair)(query[r] + 2 * p);
                for (int b = 0; b < blocks; b++) sums[r][b] = FN(dot)(sums[r][b], key[b], both);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int b = 0; b < blocks; b++)
                FN(scale_to)(sums[r][b], scale[r], unit->key_scales + (first + b) * LANES,
                             out[r] + (first + b) * LANES);
    }
}

static double FN(largest)(const double *v, int64_t n) {
    double best = v[0];
    int64_t i = 0;
#if PATH >= 2
    __m512d lanes = _mm512_set1_pd(best);
    for (; i + 8 <= n; i += 8) lanes = _mm512_max_pd(lanes, _mm512_loadu_pd(v + i));
    best = _mm512_reduce_max_pd(lanes);
#endif
    for (; i < n; i++) best = v[i] > best ? v[i] : best;
    return best;
}

/* Scores to integer weights of `n` keys; returns the factor of the mixed values. */
static double FN(softmax)(const Team *team, int64_t layer, int64_t head, double *restrict scores,
                          int64_t n, int16_t *restrict weights, int64_t pages) {
    const Model *m = team->job->model;
    double best = FN(largest)(scores, n);
    int64_t total = 0;
    for (int64_t page = 0; page * PAGE < n; page++) {
        PageUnit unit = page_unit(m, team->job->pages[page], layer, head);
        const double *restrict scales = unit.value_scales;
        double *restrict row = scores + page * PAGE;
        int64_t entry[PAGE], count = n - page * PAGE < PAGE ? n - page * PAGE : PAGE;
        for (int64_t j = 0; j < count; j++) row[j] = best - row[j];
        FN(lookup)(m->exp, row, count, entry);
        for (int64_t j = 0; j < count; j++) total += entry[j];
        for (int64_t j = 0; j < count; j++) row[j] = FN(whole)(entry[j]) * scales[j];
    }
    double scale = FN(quantise)(scores, n, (double)m->mix_limit, weights);
    memset(weights + n, 0, (size_t)(pages * PAGE - n) * 2);
    return scale / (double)total;
}

/* out[r] += weights[r] . values, for `rows` queries and `lanes` * LANES elements (constants).
 * `out` are integers below 2^53. */
INLINE void FN(mix_page)(const int rows, const int lanes, const int16_t *values, int64_t wide,
                         int16_t *const *weights, double *const *out) {
    for (int begin = 0; begin < PAGE; begin += MIX_BLOCK) {
        FN(Sums) sums[4][4];
        for (int r = 0; r < rows; r++)
            for (int l = 0; l < lanes; l++) sums[r][l] = FN(zero)();
        for (int j = begin; j < begin + MIX_BLOCK; j += 2) {
            FN(Shorts) value[4];
            for (int l = 0; l < lanes; l++)
                value[l] = FN(load)(values + j * wide + l * 2 * LANES);
            for (int r = 0; r < rows; r++) {
                FN(Shorts) both = FN(pair)(weights[r] + j);
                for (int l = 0; l < lanes; l++) sums[r][l] = FN(dot)(sums[r][l], value[l], both);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int l = 0; l < lanes; l++) FN(add_to)(sums[r][l], out[r] + l * LANES);
    }
}

/* Attention of `rows` (a constant) query rows, all of one key-value head, over all keys. */
INLINE void FN(attend_rows)(const int rows, const Team *team, int64_t layer, int64_t head,
                            int64_t first, uint8_t *local) {
    const Model *m = team->job->model;
    int64_t hd = m->head_dim, wide = padded(hd, LANES), group = m->heads / m->kv_heads;
    int64_t longest = team->job->start + (first + rows - 1) / group + 1;
    int64_t pages = padded(longest, PAGE) / PAGE;
    int16_t *query[4], *weights[4];
    double scale[4], factor[4], *scores[4], *sums[4], *to[4];
    for (int r = 0; r < rows; r++) {
        int64_t token = (first + r) / group, member = head * group + (first + r) % group;
        query[r] = team->query + (token * m->heads + member) * hd;
        scale[r] = team->query_scale[token * m->heads + member];
        to[r] = team->mixed + (token * m->heads + member) * hd;
        scores[r] = (double *)local + r * (pages * PAGE + wide);
        sums[r] = scores[r] + pages * PAGE;
        weights[r] = (int16_t *)((double *)local + rows * (pages * PAGE + wide)) + r * pages * PAGE;
    }
    for (int64_t page = 0; page < pages; page++) {
        PageUnit unit = page_unit(m, team->job->pages[page], layer, head);
        double *out[4];
        for (int r = 0; r < rows; r++) out[r] = scores[r] + page * PAGE;
        FN(score_page)(rows, &unit, hd / 2, query, scale, out);
    }
    for (int r = 0; r < rows; r++) {
        int64_t n = team->job->start + (first + r) / group + 1;
        factor[r] = FN(softmax)(team, layer, head, scores[r], n, weights[r], pages);
        memset(sums[r], 0, (size_t)wide * 8);
    }
    for (int64_t page = 0; page < pages; page++) {
        PageUnit unit = page_unit(m, team->job->pages[page], layer, head);
        int16_t *weight[4];
        double *out[4];
        int64_t d = 0;
        const int64_t step = FN(MIX_LANES) * LANES;
        for (int r = 0; r < rows; r++) weight[r] = weights[r] + page * PAGE;
        for (; d + step <= wide; d += step) {
            for (int r = 0; r < rows; r++) out[r] = sums[r] + d;
            FN(mix_page)(rows, FN(MIX_LANES), unit.values + 2 * d, wide, weight, out);
        }
        for (; d < wide; d += LANES) {
            for (int r = 0; r < rows; r++) out[r] = sums[r] + d;
            FN(mix_page)(rows, 1, unit.values + 2 * d, wide, weight, out);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int64_t d = 0; d < hd; d++) to[r][d] = sums[r][d] * factor[r];
}

static void FN(attend4)(const Team *team, int64_t layer, int64_t head, int64_t first,
                        uint8_t *local) {
    FN(attend_rows)(4, team, layer, head, first, local);
}

static void FN(attend1)(const Team *team, int64_t layer, int64_t head, int64_t first,
                        uint8_t *local) {
    FN(attend_rows)(1, team, layer, head, first, local);
}

/* --- the whole pass, run by every thread of the team ------------------------------------------------------- */

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
    int32_t *sums = (int32_t *)local;
    double *spare = (double *)local;
    /* few rows: small units, so that every thread has work */
    int64_t rows_unit = query_rows * m->kv_heads >= 16 * team->threads ? ATTENTION_ROWS : 1;
    int64_t row_units = (query_rows + rows_unit - 1) / rows_unit;

#if PATH == 3
    FN(start_tiles)();
#endif
    UNITS(unit, token_units) TOKENS(t, unit) {
        const int8_t *row = m->embed.weights + job->tokens[t] * m->dim;
        double scale = m->embed.scales[job->tokens[t]];
        for (int64_t i = 0; i < m->dim; i++) team->x[t * m->dim + i] = (double)row[i] * scale;
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
            const Matrix *matrix = unit < q_units ? &layer->wq
                                   : unit < q_units + k_units ? &layer->wk : &layer->wv;
            int64_t rows = unit < q_units ? queries : keys;
            int64_t base = unit < q_units ? 0 : unit < q_units + k_units ? queries : queries + keys;
            int64_t local_unit = unit < q_units ? unit
                                 : unit < q_units + k_units ? unit - q_units : unit - q_units - k_units;
            FN(dense_unit)(team, matrix, m->dim, local_unit * UNIT,
                           FN(lesser)(UNIT, rows - local_unit * UNIT), 0, n, sums, FN(STORE),
                           team->qkv + base + local_unit * UNIT, row_size);
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
            double *up = (double *)(sums + padded(n, 16) * UNIT);
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

/* Rows of binary64: rounding, quantising, norms, exponentials (docs/exact-arithmetic.md, 1-3, 7).
 * Part of _kernel_body.h.
 */

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

/* Vectors of one instruction set: 16 sums of 32 bits, 32 integers of 16 bits.
 * Part of _kernel_body.h.
 */

#if PATH >= 2

typedef __m512i FN(Sums);
typedef __m512i FN(Shorts);
INLINE FN(Sums) FN(zero)(void) { return _mm512_setzero_si512(); }
INLINE FN(Shorts) FN(load)(const int16_t *p) { return _mm512_loadu_si512(p); }
INLINE FN(Shorts) FN(widen)(const int8_t *p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
INLINE FN(Shorts) FN(widen_start)(const int8_t *p, int64_t n) { /* zeros after n */
    if (n >= STEP) return FN(widen)(p);
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(((__mmask32)1 << n) - 1, p));
}
INLINE void FN(store)(int16_t *p, FN(Shorts) value) { _mm512_storeu_si512(p, value); }
INLINE FN(Shorts) FN(widen_rests)(const uint8_t *p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
/* 4 * high + the lowest two bits of the rests, which move on to the next two. */
INLINE FN(Shorts) FN(join)(FN(Shorts) high, FN(Shorts) * rests) {
    __m512i low = _mm512_and_si512(*rests, _mm512_set1_epi16(3));
    *rests = _mm512_srli_epi16(*rests, 2);
    return _mm512_or_si512(_mm512_slli_epi16(high, 2), low);
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
/* Sums of the lanes, of one or of four vectors. */
INLINE __m512i FN(halved)(FN(Sums) sum) { /* eight sums of two neighbours, 64 bits each */
    __m512i even = _mm512_srai_epi64(_mm512_slli_epi64(sum, 32), 32);
    return _mm512_add_epi64(even, _mm512_srai_epi64(sum, 32));
}
INLINE void FN(totals)(const int rows, const FN(Sums) * s, double *out) {
    if (rows == 4) {
        __m512i a = FN(halved)(s[0]), b = FN(halved)(s[1]);
        __m512i c = FN(halved)(s[2]), d = FN(halved)(s[3]);
        a = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
        c = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
        b = _mm512_add_epi64(_mm512_shuffle_i64x2(a, c, 0x88), _mm512_shuffle_i64x2(a, c, 0xdd));
        d = _mm512_add_epi64(b, _mm512_shuffle_i64x2(b, b, 0xb1));
        __m256i low = _mm512_castsi512_si256(d), high = _mm512_extracti64x4_epi64(d, 1);
        _mm256_storeu_pd(out, _mm256_cvtepi64_pd(_mm256_permute2x128_si256(low, high, 0x20)));
    } else {
        for (int r = 0; r < rows; r++)
            out[r] = (double)_mm512_reduce_add_epi64(FN(halved)(s[r]));
    }
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
INLINE FN(Shorts) FN(widen_start)(const int8_t *p, int64_t n) { /* zeros after n */
    int8_t start[STEP] = {0};
    if (n >= STEP) return FN(widen)(p);
    memcpy(start, p, (size_t)n);
    return FN(widen)(start);
}
INLINE void FN(store)(int16_t *p, FN(Shorts) value) {
    _mm256_storeu_si256((__m256i *)p, value.low);
    _mm256_storeu_si256((__m256i *)(p + 16), value.high);
}
INLINE FN(Shorts) FN(widen_rests)(const uint8_t *p) {
    return (FN(Shorts)){_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p)),
                        _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(p + 16)))};
}
/* 4 * high + the lowest two bits of the rests, which move on to the next two. */
INLINE FN(Shorts) FN(join)(FN(Shorts) high, FN(Shorts) * rests) {
    const __m256i three = _mm256_set1_epi16(3);
    FN(Shorts) result = {
        _mm256_or_si256(_mm256_slli_epi16(high.low, 2), _mm256_and_si256(rests->low, three)),
        _mm256_or_si256(_mm256_slli_epi16(high.high, 2), _mm256_and_si256(rests->high, three))};
    rests->low = _mm256_srli_epi16(rests->low, 2);
    rests->high = _mm256_srli_epi16(rests->high, 2);
    return result;
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
/* Sums of the lanes of each vector. */
INLINE void FN(totals)(const int rows, const FN(Sums) * s, double *out) {
    for (int r = 0; r < rows; r++) {
        __m256d quarter[4], all;
        FN(quarters)(s[r], quarter);
        all = _mm256_add_pd(_mm256_add_pd(quarter[0], quarter[1]),
                            _mm256_add_pd(quarter[2], quarter[3]));
        __m128d half = _mm_add_pd(_mm256_castpd256_pd128(all), _mm256_extractf128_pd(all, 1));
        out[r] = _mm_cvtsd_f64(half) + _mm_cvtsd_f64(_mm_unpackhi_pd(half, half));
    }
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

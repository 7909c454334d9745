/* Dense layers on the tiles of AMX.  Part of _kernel_body.h.
 *
 * Tiles: 16 weight rows of 64 columns times 16 tokens of 64 columns.  The high parts of the weights
 * come straight from the matrix, their rests are unpacked once for all tokens; the activations are in
 * two 8-bit halves.  So each weight tile meets each activation tile in four products.  Only whole
 * units of rows, tokens and columns go this way.
 */

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

/* rests[row][column], one byte each, for a whole unit of rows. */
static void FN(unpack_rests)(const Rows *w, int64_t columns, int8_t *to) {
    const __m256i three = _mm256_set1_epi8(3);
    for (int64_t r = 0; r < UNIT; r++) {
        const uint8_t *from = w->rests + r * rests_stride(columns);
        for (int64_t k = 0; k < columns; k += BLOCK, from += STEP) {
            __m256i bits = _mm256_loadu_si256((const __m256i *)from);
            for (int64_t i = k; i < columns && i < k + BLOCK; i += STEP) {
                __m256i *part = (__m256i *)(to + r * columns + i);
                _mm256_storeu_si256(part, _mm256_and_si256(bits, three));
                bits = _mm256_srli_epi16(bits, 2); /* what crosses into a byte is above bit 5 */
            }
        }
    }
}

/* The transpose of 16 rows of 16 integers: to[token] from from[row]. */
INLINE void FN(transpose)(const __m512i *from, __m512i *to) {
    __m512i a[TILE], b[TILE];
    for (int i = 0; i < TILE; i += 2) {
        b[i] = _mm512_unpacklo_epi32(from[i], from[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(from[i], from[i + 1]);
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
        to[i] = _mm512_shuffle_i32x4(even1, even2, 0x88);
        to[4 + i] = _mm512_shuffle_i32x4(odd1, odd2, 0x88);
        to[8 + i] = _mm512_shuffle_i32x4(even1, even2, 0xdd);
        to[12 + i] = _mm512_shuffle_i32x4(odd1, odd2, 0xdd);
    }
}

/* 4 * high + rest of 16 rows of 16 sums, transposed. */
INLINE void FN(join_weights)(const int32_t *high, const int32_t *rest, __m512i *to) {
    __m512i joined[TILE];
    for (int i = 0; i < TILE; i++)
        joined[i] = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(high + i * TILE), 2),
                                     _mm512_load_si512(rest + i * TILE));
    FN(transpose)(joined, to);
}

/* out[token][row], from sums of high and rest with either half of the activations. */
static void FN(join_sums)(int32_t (*sums)[TILE * TILE], double *out) {
    __m512i high[TILE], low[TILE];
    const __m512d base = _mm512_set1_pd(128.0);
    FN(join_weights)(sums[0], sums[2], high);
    FN(join_weights)(sums[1], sums[3], low);
    for (int t = 0; t < TILE; t++)
        for (int half = 0; half < 2; half++) {
            __m256i h = half ? _mm512_extracti64x4_epi64(high[t], 1)
                             : _mm512_castsi512_si256(high[t]);
            __m256i l = half ? _mm512_extracti64x4_epi64(low[t], 1)
                             : _mm512_castsi512_si256(low[t]);
            __m512d whole = _mm512_mul_pd(_mm512_cvtepi32_pd(h), base);
            _mm512_storeu_pd(out + t * UNIT + 8 * half,
                             _mm512_add_pd(whole, _mm512_cvtepi32_pd(l)));
        }
}

/* As products(), for 32 rows and all tokens; `out` is a thread's local memory, and has room for
 * whole tiles of tokens. */
static void FN(tile_products)(const Team *team, const Rows *w, int64_t columns, int64_t tokens,
                              double *out) {
    _Alignas(64) int32_t sums[4][TILE * TILE];
    int8_t *rests = (int8_t *)out + team->rows_offset;
    FN(unpack_rests)(w, columns, rests);
    for (int64_t r = 0; r < UNIT; r += TILE)
        for (int64_t t = 0; t < tokens; t += TILE) {
            const int8_t *high = team->packed + t * 2 * columns, *low = high + TILE * columns;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t k = 0; k < columns; k += TILE_COLUMNS) {
                _tile_loadd(4, w->high + r * columns + k, columns);
                _tile_loadd(6, high + k * TILE, TILE_COLUMNS);
                _tile_loadd(7, low + k * TILE, TILE_COLUMNS);
                _tile_loadd(5, rests + r * columns + k, columns);
                _tile_dpbssd(0, 4, 6);
                _tile_dpbssd(1, 4, 7);
                _tile_dpbssd(2, 5, 6);
                _tile_dpbssd(3, 5, 7);
            }
            _tile_stored(0, sums[0], 64);
            _tile_stored(1, sums[1], 64);
            _tile_stored(2, sums[2], 64);
            _tile_stored(3, sums[3], 64);
            FN(join_sums)(sums, out + t * UNIT + r);
        }
}

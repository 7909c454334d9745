/* Dense layers on the tiles of AMX.  Part of _kernel_body.h.
 *
 * Tiles: 16 weight rows of 64 columns, straight from the matrix, times 16 tokens of 64 columns, the
 * activations in two 8-bit halves.  Only whole units of rows, tokens and columns go this way.
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

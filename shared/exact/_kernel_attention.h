/* Rotary embedding and attention (docs/exact-arithmetic.md, 5, 6).  Part of _kernel_body.h.
 */

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

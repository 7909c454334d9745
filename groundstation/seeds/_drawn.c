/* Drawn seeds: test a range of seeds against the words that draw each token.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC '11), as shared/seeds/philox.py has it: the seed is
 * the key, the position the low half of the counter, the word the low half of the result.
 *
 * A block of LANES seeds takes the first test together, in loops without a branch that compilers
 * turn into vector instructions.  The first test is the least likely token, so that few seeds are
 * left for the others, which are tested one seed at a time.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define LANES 64
#define ROUNDS 10
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u

#ifdef __GNUC__
#define EXPORTED __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#ifdef __x86_64__
#define HAVE_TARGETS
#endif
#else
#define EXPORTED
#define INLINE static inline
#endif

typedef struct {
    uint64_t position, low, high; /* words low to high, both inclusive */
} Interval;

/* Words of LANES consecutive seeds at one position; seeds beyond 2**64 begin at 0 again. */
INLINE void block_words(uint64_t first, uint64_t position, uint64_t *restrict result) {
    uint32_t k0[LANES], k1[LANES], c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    for (int i = 0; i < LANES; i++) {
        uint64_t seed = first + (uint64_t)i;
        k0[i] = (uint32_t)seed;
        k1[i] = (uint32_t)(seed >> 32);
        c0[i] = (uint32_t)position;
        c1[i] = (uint32_t)(position >> 32);
        c2[i] = 0;
        c3[i] = 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0[i], p1 = (uint64_t)MULTIPLIER_1 * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0[i];
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1[i];
            c3[i] = (uint32_t)p0;
            k0[i] += WEYL_0;
            k1[i] += WEYL_1;
        }
    }
    for (int i = 0; i < LANES; i++) result[i] = (uint64_t)c1[i] << 32 | c0[i];
}

static uint64_t word_of(uint64_t seed, uint64_t position) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)position, c1 = (uint32_t)(position >> 32), c2 = 0, c3 = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0, p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    return (uint64_t)c1 << 32 | c0;
}

static int draws(uint64_t seed, const Interval *intervals, int64_t from, int64_t count) {
    for (int64_t n = from; n < count; n++) {
        uint64_t word = word_of(seed, intervals[n].position);
        if (word - intervals[n].low > intervals[n].high - intervals[n].low) return 0;
    }
    return 1;
}

INLINE int search(const Interval *intervals, int64_t count, uint64_t start, uint64_t seeds,
                  uint64_t *found) {
    const uint64_t low = intervals[0].low, span = intervals[0].high - intervals[0].low;
    uint64_t words[LANES];
    for (uint64_t done = 0; done < seeds; done += LANES) {
        uint64_t left = seeds - done, any = 0;
        block_words(start + done, intervals[0].position, words);
        for (int i = 0; i < LANES; i++) {
            words[i] = words[i] - low <= span;
            any |= words[i];
        }
        if (!any) continue;
        int lanes = left < LANES ? (int)left : LANES;
        for (int i = 0; i < lanes; i++) {
            if (words[i] && draws(start + done + (uint64_t)i, intervals, 1, count)) {
                *found = start + done + (uint64_t)i;
                return 1;
            }
        }
        if (left <= LANES) break; /* else `done` could pass 2**64 */
    }
    return 0;
}

#define SEARCH(name)                                                                        \
    static int name(const Interval *intervals, int64_t count, uint64_t start, uint64_t seeds, \
                    uint64_t *found) {                                                      \
        return search(intervals, count, start, seeds, found);                               \
    }

SEARCH(search_portable)
#ifdef HAVE_TARGETS
#ifdef __clang__ /* knows no preferred width here */
#define WIDE ""
#else
#define WIDE ",prefer-vector-width=512"
#endif
__attribute__((target("avx2"))) SEARCH(search_avx2)
__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl" WIDE))) SEARCH(search_avx512)
#endif

/* The fastest path of this machine: 0 portable, 1 AVX2, 2 AVX-512. */
EXPORTED int drawn_best_path(void) {
#ifdef HAVE_TARGETS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

/* The smallest of the seeds start to start + seeds - 1 that draws every token.
 *
 * path: at most drawn_best_path(); every path gives the same answer.
 * intervals: at least one, the least likely first; low <= high.
 * Returns 1 and sets *found, or 0.
 */
EXPORTED int drawn_search(int path, const Interval *intervals, int64_t count, uint64_t start,
                          uint64_t seeds, uint64_t *found) {
#ifdef HAVE_TARGETS
    if (path == 2) return search_avx512(intervals, count, start, seeds, found);
    if (path == 1) return search_avx2(intervals, count, start, seeds, found);
#else
    (void)path;
#endif
    return search_portable(intervals, count, start, seeds, found);
}

/* --- so that the build system can make it an extension module; it exports nothing to Python --- */

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_drawn", NULL, -1, NULL,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__drawn(void) { return PyModule_Create(&definition); }

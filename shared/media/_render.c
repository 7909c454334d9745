/* Sums of weighted planes, tile by tile; shared/media/kinds/planes_drawing.py has the same in numpy.
 *
 * Everything is an integer: a plane is below 2**20, a weight below 2**15, and there are at most
 * 2**12 of them, so a 64-bit sum cannot overflow and has no order.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

enum { TILE = 1024, FACTOR_BITS = 12 };

EXPORTED int media_tile_pixels(void) { return TILE; }

/* Tiles [first, last).  planes: [rows, TILE]; active: the term of each row; starts: the first row
 * of each tile and the end; weights: [terms, channels]; tables: [channels, entries], of sums from
 * 0; out: [tiles, TILE, channels]. */
EXPORTED void media_render(const int32_t *planes, const int32_t *active, const int64_t *starts,
                         const int32_t *weights, int channels, const uint8_t *tables,
                         int64_t entries, int64_t first, int64_t last, uint8_t *out) {
    int64_t sums[TILE];
    for (int64_t tile = first; tile < last; tile++) {
        uint8_t *pixels = out + tile * TILE * channels;
        for (int channel = 0; channel < channels; channel++) {
            const uint8_t *table = tables + channel * entries;
            for (int i = 0; i < TILE; i++) sums[i] = 0;
            for (int64_t row = starts[tile]; row < starts[tile + 1]; row++) {
                const int64_t weight = weights[(int64_t)active[row] * channels + channel];
                const int32_t *plane = planes + row * TILE;
                if (weight == 0) continue;
                for (int i = 0; i < TILE; i++) sums[i] += weight * plane[i];
            }
            for (int i = 0; i < TILE; i++) {
                /* negative sums become 0 before the shift, which C leaves open for them */
                int64_t value = (sums[i] + ((int64_t)1 << (FACTOR_BITS - 1)));
                value = value < 0 ? 0 : value >> FACTOR_BITS;
                pixels[i * channels + channel] = table[value < entries ? value : entries - 1];
            }
        }
    }
}

/* --- so that the build system can make it an extension module; it exports nothing to Python --- */

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_render", NULL, -1, NULL,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__render(void) { return PyModule_Create(&definition); }

// The portable search for some of the codes, which is the oracle.
#include "tables.h"

void portable_select_codes(const uint8_t *codes, size_t count, const uint8_t *passing,
                           uint64_t *rows) {
  for (size_t first = 0; first < count; first += 64) {
    uint64_t word = 0;
    for (size_t i = 0; i < 64 && first + i < count; i++) {
      word |= (uint64_t)(passing[codes[first + i]] != 0) << i;
    }
    rows[first / 64] = word;
  }
}

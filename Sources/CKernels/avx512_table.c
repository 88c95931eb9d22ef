#include "tables.h"
#if defined(__x86_64__)
bool martlet_avx512vnni_supported(void) { return false; }
const martlet_kernels martlet_avx512vnni_kernels;
#endif

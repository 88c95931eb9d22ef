// SwiftPM wants one C file; every wrapper is inline in the header.
#include "clinux.h"

// zlib: deflate and gzip, as archives of documents use them.
#include <zlib.h>

// The Snowball stemmers of libstemmer.
#include <libstemmer.h>

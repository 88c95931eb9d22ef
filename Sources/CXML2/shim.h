// libxml2: its HTML parser, and its XML parser for the parts of office documents and e-books.
#include <libxml/xmlversion.h>
// Its headers bring in ICU's where it was built with ICU, and those clash with Foundation's copy. Only
// the structure of encoding handlers depends on it, which is not used here.
#undef LIBXML_ICU_ENABLED
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

// Oniguruma, the regular expressions that Hugging Face `tokenizers` uses, for UTF-8 and with a limit to
// backtracking. The library's encoding and syntax are macros and global variables, which Swift can't
// import: these functions are all that it needs.

#include <oniguruma.h>
#include <stddef.h>

/// ONIG_NORMAL, or an error whose text is written to `message`, ONIG_MAX_ERROR_MESSAGE_LEN bytes.
static inline int martlet_onig_compile(
    OnigRegex *regex, const unsigned char *pattern, size_t length, unsigned char *message) {
  OnigErrorInfo info;
  int status = onig_new(
      regex, pattern, pattern + length, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, OnigDefaultSyntax,
      &info);
  if (status != ONIG_NORMAL) message[onig_error_code_to_str(message, status, &info)] = 0;
  return status;
}

/// Once per process, before all else.
static inline int martlet_onig_initialize(void) {
  OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
  return onig_initialize(encodings, 1);
}

/// The first match in text[start..<length]: its start, and its end in `end`; ONIG_MISMATCH where there
/// is none, another negative number where a limit was hit. `region` is scratch space.
static inline long martlet_onig_search(
    OnigRegex regex, const unsigned char *text, size_t length, size_t start, OnigRegion *region,
    OnigMatchParam *limits, size_t *end) {
  int position = onig_search_with_param(
      regex, text, text + length, text + start, text + length, region, ONIG_OPTION_NONE, limits);
  if (position >= 0) *end = (size_t)region->end[0];
  return position;
}

// Perplexity of token ids under a GGUF model in strided windows, by llama.cpp's own library: what
// `martlet bench perplexity` computes, with llama.cpp's weights and kernels.
//
//   llama_perplexity MODEL.gguf IDS CONTEXT STRIDE [QUANTIZED.gguf]
//
// IDS holds int32 token ids. With a fifth argument the model is first quantised to Q4_0 by
// llama.cpp's own quantiser (output head in Q6_K, its default) and that file is measured.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "llama.h"

static void fail(const char *what) {
  fprintf(stderr, "llama_perplexity: %s failed\n", what);
  exit(1);
}

static std::vector<llama_token> read_ids(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<llama_token> ids(bytes.size() / sizeof(llama_token));
  std::copy(bytes.begin(), bytes.begin() + ids.size() * sizeof(llama_token), (char *)ids.data());
  return ids;
}

static double nats(const float *logits, int vocabulary, llama_token target) {
  double peak = -INFINITY, sum = 0;
  for (int i = 0; i < vocabulary; i++) peak = std::max(peak, (double)logits[i]);
  for (int i = 0; i < vocabulary; i++) sum += std::exp(logits[i] - peak);
  return std::log(sum) + peak - logits[target];
}

int main(int argc, char **argv) {
  if (argc < 5) fail("reading the arguments");
  llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
  llama_backend_init();
  std::string path = argv[1];
  std::vector<llama_token> ids = read_ids(argv[2]);
  const int context = atoi(argv[3]), stride = atoi(argv[4]), count = (int)ids.size();
  if (argc > 5) {
    llama_model_quantize_params parameters = llama_model_quantize_default_params();
    parameters.ftype = LLAMA_FTYPE_MOSTLY_Q4_0;
    if (llama_model_quantize(path.c_str(), argv[5], &parameters) != 0) fail("quantising");
    path = argv[5];
  }
  llama_model *model = llama_model_load_from_file(path.c_str(), llama_model_default_params());
  if (!model) fail("loading the model");
  llama_context_params settings = llama_context_default_params();
  settings.n_ctx = settings.n_batch = context;
  llama_context *session = llama_init_from_model(model, settings);
  if (!session) fail("making a context");
  const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));

  double total = 0;
  long predicted = 0;
  llama_batch batch = llama_batch_init(context, 0, 1);
  for (int start = 0, counted = 1; counted < count; start += stride) {
    const int end = std::min(start + context, count);
    batch.n_tokens = end - 1 - start;
    for (int i = 0; i < batch.n_tokens; i++) {
      batch.token[i] = ids[start + i];
      batch.pos[i] = i;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = start + i + 1 >= counted;
    }
    llama_memory_clear(llama_get_memory(session), true);
    if (llama_decode(session, batch) != 0) fail("decoding");
    for (; counted < end; counted++, predicted++) {
      const float *logits = llama_get_logits_ith(session, counted - 1 - start);
      total += nats(logits, vocabulary, ids[counted]);
    }
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  printf("{\"perplexity\": %.5f, \"tokens\": %ld, \"bytes\": %lld}\n", std::exp(total / predicted),
         predicted, (long long)file.tellg());
}

// libssl and libcrypto, and what of them Swift can't call: macros. Each function here is one or a few of
// those; none keeps state.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/// What every context is set to: TLS 1.2 or later, neither renegotiation nor compression, and writes that
/// may go through in part and be repeated from another address. 1, or 0 on failure.
static inline int copenssl_set_up(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/// Server name indication; 1, or 0 on failure.
static inline int copenssl_set_server_name(SSL *connection, const char *name) {
  return (int)SSL_set_tlsext_host_name(connection, name);
}

/// Marks a BIO's last call as one to repeat (BIO_FLAGS_READ or BIO_FLAGS_WRITE), or with 0 as final.
static inline void copenssl_set_retry(BIO *bio, int flags) {
  BIO_clear_retry_flags(bio);
  if (flags) BIO_set_flags(bio, flags | BIO_FLAGS_SHOULD_RETRY);
}
